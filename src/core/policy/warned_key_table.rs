//! The labels and annotations that configure well-known controllers: a person who sets one is warned.

use super::mode::Outcome;
use super::protected_key_table::{KeysOfTool, ProtectedFrom, ProtectedKeys, of};

const fn warned(does: &'static str, keys: &'static [KeysOfTool]) -> ProtectedKeys {
    ProtectedKeys { keys, answer: Outcome::Warn, from: ProtectedFrom::People, does }
}

/// The keys that are warned about.
pub(super) const WARNED: &[ProtectedKeys] = &[
    warned(
        "configure an ingress controller",
        &[
            of(
                &["*ingress.kubernetes.io/*"],
                "https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/",
            ),
            of(&["kubernetes.io/ingress*"], "https://kubernetes.io/docs/reference/labels-annotations-taints/"),
            of(
                &["nginx.com/*", "nginx.org/*"],
                "https://docs.nginx.com/nginx-ingress-controller/configuration/ingress-resources/advanced-configuration-with-annotations/",
            ),
            of(
                &["getambassador.io/*"],
                "https://www.getambassador.io/docs/emissary/latest/topics/running/ingress-controller",
            ),
            of(&["haproxy-ingress.github.io/*"], "https://haproxy-ingress.github.io/docs/configuration/keys/"),
            of(&["haproxy.org/*"], "https://github.com/haproxytech/kubernetes-ingress/tree/master/documentation"),
            of(
                &["haproxy.router.openshift.io/*"],
                "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/networking/configuring-routes",
            ),
            of(&["ingress.bluemix.net/*"], "https://cloud.ibm.com/docs/containers?topic=containers-ingress-types"),
            of(&["ingress.cilium.io/*"], "https://docs.cilium.io/en/stable/network/servicemesh/ingress/"),
            of(&["k8s.apisix.apache.org/*"], "https://apisix.apache.org/docs/ingress-controller/concepts/annotations/"),
            of(&["konghq.com/*"], "https://developer.konghq.com/kubernetes-ingress-controller/reference/annotations/"),
            of(&["projectcontour.io/*"], "https://projectcontour.io/docs/main/config/annotations/"),
            of(&["traefik.io/*"], "https://doc.traefik.io/traefik/reference/routing-configuration/kubernetes/ingress/"),
            of(&["zalando.org/*"], "https://opensource.zalando.com/skipper/kubernetes/ingress-usage/"),
        ],
    ),
    warned(
        "configure a load balancer",
        &[
            of(
                &["*service.beta.kubernetes.io/*", "service.kubernetes.io/*"],
                "https://kubernetes.io/docs/concepts/services-networking/service/#internal-load-balancer",
            ),
            of(
                &["cloud.google.com/*", "networking.gke.io/*"],
                "https://cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters",
            ),
            of(
                &["io.cilium/*", "lbipam.cilium.io/*", "service.cilium.io/*"],
                "https://docs.cilium.io/en/stable/network/lb-ipam/",
            ),
            of(&["kube-vip.io/*"], "https://kube-vip.io/docs/usage/kubernetes-services/"),
            of(
                &["load-balancer.hetzner.cloud/*"],
                "https://github.com/hetznercloud/hcloud-cloud-controller-manager/blob/main/docs/reference/load_balancer_annotations.md",
            ),
            of(
                &["loadbalancer.openstack.org/*"],
                "https://github.com/kubernetes/cloud-provider-openstack/blob/master/docs/openstack-cloud-controller-manager/expose-applications-using-loadbalancer-type-service.md",
            ),
            of(&["metallb.io/*", "metallb.universe.tf/*"], "https://metallb.io/usage/"),
            of(
                &["oci*.oraclecloud.com/*"],
                "https://github.com/oracle/oci-cloud-controller-manager/blob/master/docs/load-balancer-annotations.md",
            ),
            of(&["tailscale.com/*"], "https://tailscale.com/kb/1439/kubernetes-operator-cluster-ingress"),
        ],
    ),
    warned(
        "make names in DNS",
        &[of(
            &["external-dns.alpha.kubernetes.io/*", "external-dns.kubernetes.io/*"],
            "https://kubernetes-sigs.github.io/external-dns/latest/docs/annotations/annotations/",
        )],
    ),
    warned(
        "ask cert-manager for certificates",
        &[of(
            &["acme.cert-manager.io/*", "cert-manager.io/*", "kubernetes.io/tls-acme"],
            "https://cert-manager.io/docs/reference/annotations/",
        )],
    ),
    warned(
        "put a sidecar beside Pods, or configure it",
        &[
            of(
                &[
                    "istio-injection",
                    "istio.io/*",
                    "networking.istio.io/*",
                    "sidecar.istio.io/*",
                    "topology.istio.io/*",
                    "traffic.sidecar.istio.io/*",
                ],
                "https://istio.io/latest/docs/reference/config/annotations/",
            ),
            of(&["config.linkerd.io/*", "linkerd.io/inject"], "https://linkerd.io/2/reference/proxy-configuration/"),
            of(
                &["consul.hashicorp.com/*"],
                "https://developer.hashicorp.com/consul/docs/reference/k8s/annotation-label",
            ),
            of(&["kuma.io/*"], "https://kuma.io/docs/latest/reference/kubernetes-annotations/"),
            of(
                &["vault.hashicorp.com/*"],
                "https://developer.hashicorp.com/vault/docs/platform/k8s/injector/annotations",
            ),
        ],
    ),
    warned(
        "make a class the default one",
        &[
            of(
                &["*/is-default-class"],
                "https://kubernetes.io/docs/tasks/administer-cluster/change-default-storage-class/",
            ),
            of(&["*/is-default-virt-class"], "https://kubevirt.io/user-guide/storage/containerized_data_importer/"),
        ],
    ),
    warned(
        "copy a Secret or ConfigMap into other namespaces",
        &[
            of(&["reflector.v1.k8s.emberstack.com/*"], "https://github.com/emberstack/kubernetes-reflector"),
            of(&["replicator.v1.mittwald.de/*"], "https://github.com/mittwald/kubernetes-replicator"),
            of(&["kubed.appscode.com/*"], "https://github.com/config-syncer/config-syncer"),
        ],
    ),
    warned(
        "let a machine change images",
        &[
            of(
                &["argocd-image-updater.argoproj.io/*"],
                "https://argocd-image-updater.readthedocs.io/en/stable/basics/update/",
            ),
            of(&["keel.sh/*"], "https://keel.sh/docs/"),
            of(
                &["image.openshift.io/triggers"],
                "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/images/triggering-updates-on-imagestream-changes",
            ),
        ],
    ),
    warned(
        "say where Pods of a namespace run",
        &[
            of(
                &["scheduler.alpha.kubernetes.io/*"],
                "https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podnodeselector",
            ),
            of(
                &["openshift.io/node-selector"],
                "https://docs.redhat.com/en/documentation/openshift_container_platform/4.18/html/nodes/controlling-pod-placement-onto-nodes-scheduling",
            ),
        ],
    ),
    warned(
        "say what a node is for",
        &[of(
            &["node-restriction.kubernetes.io/*", "node-role.kubernetes.io/*"],
            "https://kubernetes.io/docs/reference/labels-annotations-taints/",
        )],
    ),
    warned(
        "say how a workload is scaled",
        &[
            of(&["autoscaling.knative.dev/*"], "https://knative.dev/docs/serving/autoscaling/"),
            of(&["kube-green.dev/*"], "https://kube-green.dev/docs/"),
            of(&["goldilocks.fairwinds.com/*"], "https://goldilocks.docs.fairwinds.com/"),
            of(&["sablier.*"], "https://sablierapp.dev/providers/kubernetes/"),
        ],
    ),
    warned(
        "let chaos experiments in",
        &[
            of(&["chaos-mesh.org/*"], "https://chaos-mesh.org/docs/configure-enabled-namespace/"),
            of(&["litmuschaos.io/*"], "https://docs.litmuschaos.io/"),
        ],
    ),
    warned(
        "say what is backed up",
        &[
            of(
                &["velero.io/exclude-from-backup", "backup.velero.io/*"],
                "https://velero.io/docs/main/resource-filtering/",
            ),
            of(&["k8up.io/*"], "https://k8up.io/"),
        ],
    ),
];
