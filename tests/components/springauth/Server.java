import java.io.File;
import java.net.URL;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.interfaces.RSAPrivateKey;
import java.security.interfaces.RSAPublicKey;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import jakarta.servlet.http.HttpServlet;
import org.apache.catalina.Context;
import org.apache.catalina.LifecycleException;
import org.apache.catalina.startup.Tomcat;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.annotation.web.configuration.EnableWebSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetails;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.crypto.password.PasswordEncoder;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.server.authorization.authentication.OAuth2TokenExchangeAuthenticationToken;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.AuthorizationServerSettings;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.context.HttpSessionSecurityContextRepository;
import org.springframework.web.context.ContextLoaderListener;
import org.springframework.web.context.support.AnnotationConfigWebApplicationContext;
import org.springframework.web.filter.DelegatingFilterProxy;

/**
 * Spring Authorization Server on loopback, plain HTTP, for the tests of delegation (RFC 8693). People sign in with HTTP
 * Basic authentication in place of a page. Everybody's password, and every client's secret, is the name followed by
 * {@code -secret-for-tests-only-0123456789}.
 *
 * <p>The two arguments are the port, and the folder of the servlet container.
 */
@Configuration
@EnableWebSecurity
public class Server {

	private static final String PASSWORD = "-secret-for-tests-only-0123456789";

	private static final String CALLBACK = "https://front-end.example.org/callback";

	private static final String AUDIENCES = "audiences";

	private static final String MAY_ACT = "may-act";

	private static final String ACT = "act-by-mistake";

	public static void main(String[] arguments) throws LifecycleException {
		System.setProperty("issuer", "http://127.0.0.1:" + arguments[0]);
		Tomcat tomcat = new Tomcat();
		tomcat.setBaseDir(arguments[1]);
		tomcat.setPort(Integer.parseInt(arguments[0]));
		tomcat.getConnector().setProperty("address", "127.0.0.1");
		Context context = tomcat.addContext("", new File(arguments[1]).getAbsolutePath());
		AnnotationConfigWebApplicationContext spring = new AnnotationConfigWebApplicationContext();
		spring.register(Server.class);
		context.addServletContainerInitializer((classes, servlets) -> {
			servlets.addListener(new ContextLoaderListener(spring));
			servlets.addFilter("security", new DelegatingFilterProxy("springSecurityFilterChain"))
				.addMappingForUrlPatterns(null, false, "/*");
			// A container calls filters only where a servlet is.
			servlets.addServlet("nothing", new HttpServlet() { }).addMapping("/");
		}, null);
		tomcat.start();
		tomcat.getServer().await();
	}

	@Bean
	SecurityFilterChain endpoints(HttpSecurity http) {
		return http.oauth2AuthorizationServer(Customizer.withDefaults())
			.authorizeHttpRequests((requests) -> requests.anyRequest().authenticated())
			// The endpoint for codes looks into the session only, so a person signs in at any other page first.
			.httpBasic((basic) -> basic.securityContextRepository(new HttpSessionSecurityContextRepository()))
			.build();
	}

	@Bean
	AuthorizationServerSettings settings(@Value("${issuer}") String issuer) {
		return AuthorizationServerSettings.builder().issuer(issuer).build();
	}

	/** Leaves secrets as they are. The default spends a twentieth of a second on each, for each request. */
	@Bean
	PasswordEncoder plain() {
		return new PasswordEncoder() {

			@Override
			public String encode(CharSequence secret) {
				return secret.toString();
			}

			@Override
			public boolean matches(CharSequence secret, String encoded) {
				return encoded.contentEquals(secret);
			}

		};
	}

	@Bean
	UserDetailsService people() {
		return new InMemoryUserDetailsManager(person("alice"), person("bob"));
	}

	private static UserDetails person(String name) {
		return User.withUsername(name).password(name + PASSWORD).roles("STAFF").build();
	}

	@Bean
	JWKSource<SecurityContext> keys() throws Exception {
		KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
		generator.initialize(2048);
		KeyPair pair = generator.generateKeyPair();
		RSAKey key = new RSAKey.Builder((RSAPublicKey) pair.getPublic()).privateKey((RSAPrivateKey) pair.getPrivate())
			.keyID("k1")
			.build();
		return new ImmutableJWKSet<>(new JWKSet(key));
	}

	@Bean
	RegisteredClientRepository clients() {
		return new InMemoryRegisteredClientRepository(
				// People start tasks with its tokens, and the workload of orders may act for them.
				frontEnd("front-end", "tabard", "orders-agent"),
				// Its tokens let another workload act.
				frontEnd("front-end-of-bills", "tabard", "bills-agent"),
				// Its tokens don't say who may act.
				frontEnd("front-end-of-all", "tabard", null),
				// Its tokens are for the desk, which acts first, and lets the workload of orders act after it.
				frontEnd("portal", "desk", "desk"),
				exchanging("desk", settings(Set.of("tabard"), "orders-agent"), "agents"),
				// It doesn't say who may act after it.
				frontEnd("portal-of-all", "desk", "desk-of-all"),
				exchanging("desk-of-all", settings(Set.of("tabard"), null), "agents"),
				exchanging("orders-agent", settings(Set.of("orders", "bills"), null), "orders:read", "orders:write",
						"bills:read"),
				workload("bills-agent").build(),
				workload("agent-of-a-moment").tokenSettings(lasting(1)).build(),
				exchanging("tabard", settings(Set.of("orders", "bills"), null), "orders:read", "orders:write",
						"bills:read"),
				// It may exchange tokens, and gets none about itself.
				client("tabard-of-nobody").authorizationGrantType(AuthorizationGrantType.TOKEN_EXCHANGE).build(),
				// A mistake of the set-up: its tokens name another actor than the one whose token was sent.
				exchanging("tabard-of-bills",
						ClientSettings.builder().setting(AUDIENCES, Set.of("orders")).setting(ACT, "bills-agent").build(),
						"orders:read"));
	}

	private static RegisteredClient frontEnd(String name, String audience, String mayAct) {
		return client(name).authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
			.redirectUri(CALLBACK)
			.scope("agents")
			.clientSettings(settings(Set.of(audience), mayAct))
			.build();
	}

	private static RegisteredClient.Builder workload(String name) {
		return client(name).authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS);
	}

	private static RegisteredClient exchanging(String name, ClientSettings settings, String... scopes) {
		return client(name).authorizationGrantType(AuthorizationGrantType.TOKEN_EXCHANGE)
			.authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
			.scopes((names) -> names.addAll(List.of(scopes)))
			.clientSettings(settings)
			.build();
	}

	private static RegisteredClient.Builder client(String name) {
		return RegisteredClient.withId(name)
			.clientId(name)
			.clientSecret(name + PASSWORD)
			.clientAuthenticationMethod(ClientAuthenticationMethod.CLIENT_SECRET_BASIC)
			.tokenSettings(lasting(120));
	}

	private static TokenSettings lasting(int seconds) {
		return TokenSettings.builder().accessTokenTimeToLive(Duration.ofSeconds(seconds)).build();
	}

	private static ClientSettings settings(Set<String> audiences, String mayAct) {
		ClientSettings.Builder settings = ClientSettings.builder().requireProofKey(false).setting(AUDIENCES, audiences);
		return ((mayAct != null) ? settings.setting(MAY_ACT, mayAct) : settings).build();
	}

	@Bean
	OAuth2TokenCustomizer<JwtEncodingContext> accessTokens(@Value("${issuer}") URL issuer) {
		return (context) -> {
			describe(context, issuer);
			String act = context.getRegisteredClient().getClientSettings().getSetting(ACT);
			if (act != null) {
				context.getClaims().claim("act", Map.of("iss", issuer, "sub", act));
			}
		};
	}

	/** Says in an access token for whom it is, and who may act with it. A page of the documentation shows this. */
	private static void describe(JwtEncodingContext context, URL issuer) {
		RegisteredClient client = context.getRegisteredClient();
		Set<String> audiences = client.getClientSettings().getSetting("audiences");
		String mayAct = client.getClientSettings().getSetting("may-act");
		context.getJwsHeader().type("at+jwt");
		context.getClaims().claim("client_id", client.getClientId());
		if (context.getAuthorizationGrant() instanceof OAuth2TokenExchangeAuthenticationToken exchange) {
			if (exchange.getAudiences().size() != 1 || !audiences.containsAll(exchange.getAudiences())) {
				throw new OAuth2AuthenticationException("invalid_target");
			}
			audiences = exchange.getAudiences();
		}
		if (audiences != null) {
			context.getClaims().audience(List.copyOf(audiences));
		}
		if (mayAct != null) {
			// A URL, since that is what the server makes of iss in an actor token before it compares them.
			context.getClaims().claim("may_act", Map.of("iss", issuer, "sub", mayAct));
		}
	}

}
