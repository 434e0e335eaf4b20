// Command manager runs those of Kubernetes' controllers that are named, and no
// other:
//
//	collector  deletes objects whose owners are gone
//	jobs       runs Jobs
//	types      checks the types of ValidatingAdmissionPolicies and writes what it
//	           finds into their status
//
// Usage: manager KUBECONFIG CONTROLLER...
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/scheme"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/job"
	status "k8s.io/kubernetes/pkg/controller/validatingadmissionpolicystatus"
	"k8s.io/kubernetes/pkg/generated/openapi"
)

const (
	workers = 4
	period  = time.Second
)

// cluster is what all controllers share.
type cluster struct {
	config *rest.Config
	client *kubernetes.Clientset
	mapper *restmapper.DeferredDiscoveryRESTMapper
	all    informers.SharedInformerFactory
}

// A maker returns what runs a controller until the context is done.
type maker func(context.Context, cluster) (func(), error)

var makers = map[string]maker{"collector": collector, "jobs": jobs, "types": types}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: manager KUBECONFIG CONTROLLER...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

func run(kubeconfig string, names []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 200
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	shared := cluster{
		config: config,
		client: client,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
		all:    informers.NewSharedInformerFactory(client, 0),
	}
	var running sync.WaitGroup
	var made []func()
	for _, name := range names {
		make, known := makers[name]
		if !known {
			return fmt.Errorf("no controller is called %q", name)
		}
		controller, err := make(ctx, shared)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		made = append(made, controller)
	}
	shared.all.Start(ctx.Done())
	for _, controller := range made {
		running.Go(controller)
	}
	running.Wait()
	return nil
}

func collector(ctx context.Context, of cluster) (func(), error) {
	objects, err := metadata.NewForConfig(of.config)
	if err != nil {
		return nil, err
	}
	all := informerfactory.NewInformerFactory(of.all, metadatainformer.NewSharedInformerFactory(objects, 0))
	started := make(chan struct{})
	found, err := garbagecollector.NewGarbageCollector(
		ctx, of.client, objects, of.mapper, garbagecollector.DefaultIgnoredResources(), all, started)
	if err != nil {
		return nil, err
	}
	return func() {
		all.Start(ctx.Done())
		close(started)
		go found.Sync(ctx, of.client.Discovery(), period)
		found.Run(ctx, workers, time.Minute)
	}, nil
}

func jobs(ctx context.Context, of cluster) (func(), error) {
	found, err := job.NewController(ctx, of.client, of.all.Core().V1().Pods(), of.all.Batch().V1().Jobs(), nil, nil)
	if err != nil {
		return nil, err
	}
	return func() { found.Run(ctx, workers) }, nil
}

func types(ctx context.Context, of cluster) (func(), error) {
	definitions := resolver.NewDefinitionsSchemaResolver(openapi.GetOpenAPIDefinitions, scheme.Scheme, apiextensions.Scheme)
	checker := &validating.TypeChecker{
		SchemaResolver: definitions.Combine(&resolver.ClientDiscoveryResolver{Discovery: of.client.Discovery()}),
		RestMapper:     of.mapper,
	}
	found, err := status.NewController(
		of.all.Admissionregistration().V1().ValidatingAdmissionPolicies(),
		of.client.AdmissionregistrationV1().ValidatingAdmissionPolicies(), checker)
	if err != nil {
		return nil, err
	}
	return func() { found.Run(ctx, workers) }, nil
}
