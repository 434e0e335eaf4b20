"""docs/other-languages.md: its programs judge the published credentials as the file says, and as tabard.verify does."""

import json
import shutil
import subprocess

from tests.conformance.generate_credentials import TARGET
from tests.support import markdown

PAGE = "docs/other-languages.md"
BLOCKS = {name: code for name, _, code in markdown.blocks(PAGE)}
FORMS = (TARGET.with_name("canonical.json"), TARGET.with_name("numbers.json"))
VECTORS = json.loads(TARGET.read_text("utf-8"))

NODE = """
import { readFileSync } from "node:fs";
import { Refused, Verifier } from "./verify.mjs";
const file = JSON.parse(readFileSync(process.argv[2], "utf8"));
const make = () => new Verifier({ audience: file.audience, issuer: file.issuer, jwks: file.jwks,
  leewaySeconds: file.leeway_seconds, now: () => file.now });
const judge = (verifier, test) => {
  try {
    verifier.verify(test.token, test.tool, JSON.parse(test.arguments), test.server);
    return "";
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.message;
  }
};
const one = make();
console.log(JSON.stringify({ cases: file.cases.map((test) => judge(make(), test)),
  single_use: file.single_use.map((test) => judge(one, test)) }));
"""
GO = """
package tabard

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"
)

type vector struct{ Token, Tool, Server, Arguments string }

func TestVectors(t *testing.T) {
	content, err := os.ReadFile(os.Getenv("VECTORS"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Issuer, Audience string
		Now              int64
		Jwks             json.RawMessage
		Cases            []vector
		SingleUse        []vector `json:"single_use"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	start := func() *Verifier {
		v, err := New(file.Audience, file.Issuer, file.Jwks)
		if err != nil {
			t.Fatal(err)
		}
		v.Now = func() time.Time { return time.Unix(file.Now, 0) }
		return v
	}
	judge := func(v *Verifier, test vector) string {
		var args map[string]any
		if err := json.Unmarshal([]byte(test.Arguments), &args); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(test.Token, test.Tool, test.Server, args); err != nil {
			return err.Error()
		}
		return ""
	}
	answers := map[string][]string{}
	for _, test := range file.Cases {
		answers["cases"] = append(answers["cases"], judge(start(), test))
	}
	once := start()
	for _, test := range file.SingleUse {
		answers["single_use"] = append(answers["single_use"], judge(once, test))
	}
	text, _ := json.Marshal(answers)
	fmt.Println("ANSWERS " + string(text))
}
"""
JAVA = """
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

public final class Vectors {
  static Map<?, ?> file;

  static Verifier fresh() throws Exception {
    double now = (Double) file.get("now");
    return new Verifier((String) file.get("audience"), (String) file.get("issuer"),
        Verifier.Json.canonical(file.get("jwks")), (Double) file.get("leeway_seconds"), () -> now);
  }

  @SuppressWarnings("unchecked")
  static String judge(Verifier verifier, Map<?, ?> test) {
    Map<String, Object> args = (Map<String, Object>) Verifier.Json.parse((String) test.get("arguments"));
    try {
      verifier.verify((String) test.get("token"), (String) test.get("tool"), (String) test.get("server"), args);
      return "";
    } catch (Verifier.Refused refused) {
      return refused.getMessage();
    }
  }

  public static void main(String[] paths) throws Exception {
    file = (Map<?, ?>) Verifier.Json.parse(Files.readString(Path.of(paths[0])));
    List<Object> cases = new ArrayList<>(), once = new ArrayList<>(), written = new ArrayList<>();
    for (Object test : (List<?>) file.get("cases")) cases.add(judge(fresh(), (Map<?, ?>) test));
    Verifier one = fresh();
    for (Object test : (List<?>) file.get("single_use")) once.add(judge(one, (Map<?, ?>) test));
    Map<?, ?> forms = (Map<?, ?>) Verifier.Json.parse(Files.readString(Path.of(paths[1])));
    for (Object test : (List<?>) forms.get("cases")) {
      String input = (String) ((Map<?, ?>) test).get("input");
      written.add(Verifier.Json.canonical(Verifier.Json.parse(input)));
    }
    Map<?, ?> doubles = (Map<?, ?>) Verifier.Json.parse(Files.readString(Path.of(paths[2])));
    for (Object test : (List<?>) doubles.get("cases")) {
      long bits = Long.parseUnsignedLong((String) ((Map<?, ?>) test).get("ieee754"), 16);
      written.add(Verifier.Json.canonical(Double.longBitsToDouble(bits)));
    }
    System.out.println(Verifier.Json.canonical(Map.of("cases", cases, "single_use", once, "written", written)));
  }
}
"""


def in_node(folder):
    (folder / "verify.mjs").write_text(BLOCKS["node"])
    (folder / "vectors.mjs").write_text(NODE)
    return _run(["node", "vectors.mjs", str(TARGET)], folder)


def in_go(folder):
    (folder / "go.mod").write_text("module tabard\n\ngo 1.22\n")
    (folder / "verify.go").write_text(BLOCKS["go"])
    (folder / "verify_test.go").write_text(GO.lstrip())
    _run(["go", "vet", "."], folder)
    return _run(["go", "test", "-v", "-count=1", "."], folder).partition("ANSWERS ")[2].splitlines()[0]


def in_java(folder):
    (folder / "Verifier.java").write_text(BLOCKS["java"])
    (folder / "Vectors.java").write_text(JAVA)
    _run(["javac", "-Xlint:all,-serial", "-Werror", "Verifier.java", "Vectors.java"], folder)
    answers = json.loads(_run(["java", "-cp", ".", "Vectors", str(TARGET), *map(str, FORMS)], folder))
    wanted = [case["canonical"] for file in FORMS for case in json.loads(file.read_text("utf-8"))["cases"]]
    assert answers["written"] == wanted
    return json.dumps(answers)


def _run(command, folder):
    answer = subprocess.run(
        ["env", f"VECTORS={TARGET}", "GOTOOLCHAIN=local", "GOPROXY=off", "GOFLAGS=", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
    return answer.stdout


LANGUAGES = {"node": in_node, "go": in_go, "java": in_java}
INSTALLED = [name for name in LANGUAGES if shutil.which("javac" if name == "java" else name)]


def test_the_page_has_a_program_for_each_language():
    assert set(LANGUAGES) == set(BLOCKS)


def test_the_programs_judge_each_credential_as_the_file_says(tmp_path):
    for name in INSTALLED:
        folder = tmp_path / name
        folder.mkdir()
        answers = json.loads(LANGUAGES[name](folder))
        for part in ("cases", "single_use"):
            judged = {
                case["name"]: (not code) == case["accepted"]
                for case, code in zip(VECTORS[part], answers[part], strict=True)
            }
            assert [case for case, right in judged.items() if not right] == [], name
