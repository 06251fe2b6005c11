//! The table of the API server's defaults, by type: those of the defaulting
//! functions of Kubernetes 1.36 (`pkg/apis/*/v1/defaults.go`), of which
//! `/openapi/v3` has only a few.

use super::schema::DefaultValue;

/// A default as the table below writes it.
pub(super) enum TableDefault {
    Allocated,
    Json(&'static str),
    /// The lower case of another field of the same object.
    Lowercase(&'static str),
    PolicyTypes,
    PullPolicy,
    Sibling(&'static str),
    /// Another field of the same object, with `List` after it.
    WithList(&'static str),
}

use TableDefault::{Allocated, Json, Lowercase, PolicyTypes, PullPolicy, Sibling, WithList};

/// Type, then its fields that the server also fills from another one: the field, and the one
/// that was sent. A server-side apply owns the name that it sent.
pub(super) const DERIVED: &[(&str, &[(&str, &str)])] = &[
    // `pkg/registry/core/node/strategy.go`, `pkg/apis/core/v1/conversion.go`
    ("core.v1.NodeSpec", &[("podCIDR", "podCIDRs"), ("podCIDRs", "podCIDR")]),
    // `pkg/registry/core/persistentvolumeclaim/strategy.go` (`NormalizeDataSources`)
    ("core.v1.PersistentVolumeClaimSpec", &[("dataSource", "dataSourceRef"), ("dataSourceRef", "dataSource")]),
    // `pkg/apis/core/v1/conversion.go` (`Convert_v1_PodSpec_To_core_PodSpec`)
    ("core.v1.PodSpec", &[("serviceAccount", "serviceAccountName"), ("serviceAccountName", "serviceAccount")]),
    // `pkg/apis/core/v1/conversion.go` (`Convert_v1_Secret_To_core_Secret`)
    ("core.v1.Secret", &[("data", "stringData")]),
    // `pkg/registry/core/service/strategy.go` (`NormalizeClusterIPs`)
    ("core.v1.ServiceSpec", &[("clusterIP", "clusterIPs"), ("clusterIPs", "clusterIP")]),
];

/// The defaults of an autoscaler's rules, which are one type for both directions
/// (`pkg/apis/autoscaling/v2/defaults.go`).
pub(super) const SCALING_RULES: [(&str, &[(&str, TableDefault)]); 2] = [
    (
        "scaleDown",
        &[
            ("policies", Json(r#"[{"periodSeconds":15,"type":"Percent","value":100}]"#)),
            ("selectPolicy", Json("\"Max\"")),
        ],
    ),
    (
        "scaleUp",
        &[
            (
                "policies",
                Json(
                    r#"[{"periodSeconds":15,"type":"Pods","value":4},{"periodSeconds":15,"type":"Percent","value":100}]"#,
                ),
            ),
            ("selectPolicy", Json("\"Max\"")),
            ("stabilizationWindowSeconds", Json("0")),
        ],
    ),
];

/// Type, then its pairs of fields that say the same thing: the older name, and the one that counts.
pub(super) const ALIASES: &[(&str, &[(&str, &str)])] = &[
    ("core.v1.PersistentVolumeClaimSpec", &[("dataSource", "dataSourceRef")]),
    ("core.v1.PodSpec", &[("serviceAccount", "serviceAccountName")]),
];

const TCP: TableDefault = Json("\"TCP\"");
const FILE_MODE: TableDefault = Json("420");
const RBAC_GROUP: TableDefault = Json("\"rbac.authorization.k8s.io\"");

const EMPTY_OBJECT: TableDefault = Json("{}");

const WEBHOOK: &[(&str, TableDefault)] = &[
    ("namespaceSelector", EMPTY_OBJECT),
    ("objectSelector", EMPTY_OBJECT),
    ("failurePolicy", Json("\"Fail\"")),
    ("matchPolicy", Json("\"Equivalent\"")),
    ("reinvocationPolicy", Json("\"Never\"")),
    ("timeoutSeconds", Json("10")),
];

/// Type, then field, then what the server gives it.
pub(super) const DEFAULTS: &[(&str, &[(&str, TableDefault)])] = &[
    (
        "admissionregistration.v1.MatchResources",
        &[
            ("matchPolicy", Json("\"Equivalent\"")),
            ("namespaceSelector", EMPTY_OBJECT),
            ("objectSelector", EMPTY_OBJECT),
        ],
    ),
    ("admissionregistration.v1.MutatingWebhook", WEBHOOK),
    ("admissionregistration.v1.RuleWithOperations", &[("scope", Json("\"*\""))]),
    ("admissionregistration.v1.ServiceReference", &[("port", Json("443"))]),
    ("admissionregistration.v1.ValidatingAdmissionPolicySpec", &[("failurePolicy", Json("\"Fail\""))]),
    ("admissionregistration.v1.ValidatingWebhook", WEBHOOK),
    ("apiextensions.v1.CustomResourceDefinitionSpec", &[("conversion", Json(r#"{"strategy":"None"}"#))]),
    (
        "apiextensions.v1.CustomResourceDefinitionNames",
        &[("listKind", WithList("kind")), ("singular", Lowercase("kind"))],
    ),
    ("apiextensions.v1.ServiceReference", &[("port", Json("443"))]),
    ("apiregistration.v1.ServiceReference", &[("port", Json("443"))]),
    (
        "apps.v1.DaemonSetSpec",
        &[
            ("revisionHistoryLimit", Json("10")),
            ("updateStrategy", Json(r#"{"rollingUpdate":{"maxSurge":0,"maxUnavailable":1},"type":"RollingUpdate"}"#)),
        ],
    ),
    (
        "apps.v1.DaemonSetUpdateStrategy",
        &[("rollingUpdate", Json(r#"{"maxSurge":0,"maxUnavailable":1}"#)), ("type", Json("\"RollingUpdate\""))],
    ),
    (
        "apps.v1.DeploymentSpec",
        &[
            ("progressDeadlineSeconds", Json("600")),
            ("replicas", Json("1")),
            ("revisionHistoryLimit", Json("10")),
            ("strategy", Json(r#"{"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"},"type":"RollingUpdate"}"#)),
        ],
    ),
    (
        "apps.v1.DeploymentStrategy",
        &[("rollingUpdate", Json(r#"{"maxSurge":"25%","maxUnavailable":"25%"}"#)), ("type", Json("\"RollingUpdate\""))],
    ),
    ("apps.v1.ReplicaSetSpec", &[("replicas", Json("1"))]),
    ("apps.v1.RollingUpdateDeployment", &[("maxSurge", Json("\"25%\"")), ("maxUnavailable", Json("\"25%\""))]),
    (
        "apps.v1.StatefulSetSpec",
        &[
            ("persistentVolumeClaimRetentionPolicy", Json(r#"{"whenDeleted":"Retain","whenScaled":"Retain"}"#)),
            ("podManagementPolicy", Json("\"OrderedReady\"")),
            ("replicas", Json("1")),
            ("revisionHistoryLimit", Json("10")),
            ("updateStrategy", Json(r#"{"rollingUpdate":{"partition":0},"type":"RollingUpdate"}"#)),
        ],
    ),
    (
        "apps.v1.StatefulSetUpdateStrategy",
        &[("rollingUpdate", Json(r#"{"partition":0}"#)), ("type", Json("\"RollingUpdate\""))],
    ),
    (
        "autoscaling.v1.HorizontalPodAutoscalerSpec",
        &[("minReplicas", Json("1")), ("targetCPUUtilizationPercentage", Json("80"))],
    ),
    (
        "autoscaling.v2.HorizontalPodAutoscalerBehavior",
        &[
            (
                "scaleDown",
                Json(r#"{"policies":[{"periodSeconds":15,"type":"Percent","value":100}],"selectPolicy":"Max"}"#),
            ),
            (
                "scaleUp",
                Json(
                    r#"{"policies":[{"periodSeconds":15,"type":"Pods","value":4},{"periodSeconds":15,"type":"Percent","value":100}],"selectPolicy":"Max","stabilizationWindowSeconds":0}"#,
                ),
            ),
        ],
    ),
    (
        "autoscaling.v2.HorizontalPodAutoscalerSpec",
        &[
            (
                "metrics",
                Json(
                    r#"[{"resource":{"name":"cpu","target":{"averageUtilization":80,"type":"Utilization"}},"type":"Resource"}]"#,
                ),
            ),
            ("minReplicas", Json("1")),
        ],
    ),
    (
        "batch.v1.CronJobSpec",
        &[
            ("concurrencyPolicy", Json("\"Allow\"")),
            ("failedJobsHistoryLimit", Json("1")),
            ("successfulJobsHistoryLimit", Json("3")),
            ("suspend", Json("false")),
        ],
    ),
    (
        "batch.v1.JobSpec",
        &[
            ("backoffLimit", Json("6")),
            ("completionMode", Json("\"NonIndexed\"")),
            ("completions", Json("1")),
            ("manualSelector", Json("false")),
            ("parallelism", Json("1")),
            ("podReplacementPolicy", Json("\"TerminatingOrFailed\"")),
            ("selector", Allocated),
            ("suspend", Json("false")),
        ],
    ),
    ("batch.v1.JobTemplateSpec", &[("metadata", EMPTY_OBJECT)]),
    ("batch.v1.PodFailurePolicyOnPodConditionsPattern", &[("status", Json("\"True\""))]),
    (
        "certificates.v1.CertificateSigningRequestSpec",
        &[("extra", Allocated), ("groups", Allocated), ("uid", Allocated), ("username", Allocated)],
    ),
    ("core.v1.AzureDiskVolumeSource", &[("readOnly", Json("false"))]),
    ("core.v1.ConfigMapVolumeSource", &[("defaultMode", FILE_MODE)]),
    (
        "core.v1.Container",
        &[
            ("imagePullPolicy", PullPolicy),
            ("resources", EMPTY_OBJECT),
            ("terminationMessagePath", Json("\"/dev/termination-log\"")),
            ("terminationMessagePolicy", Json("\"File\"")),
        ],
    ),
    ("core.v1.ContainerPort", &[("protocol", TCP)]),
    ("core.v1.DownwardAPIVolumeSource", &[("defaultMode", FILE_MODE)]),
    ("core.v1.EndpointPort", &[("protocol", TCP)]),
    (
        "core.v1.EphemeralContainer",
        &[
            ("imagePullPolicy", PullPolicy),
            ("resources", EMPTY_OBJECT),
            ("terminationMessagePath", Json("\"/dev/termination-log\"")),
            ("terminationMessagePolicy", Json("\"File\"")),
        ],
    ),
    ("core.v1.GRPCAction", &[("service", Json("\"\""))]),
    ("core.v1.HTTPGetAction", &[("path", Json("\"/\"")), ("scheme", Json("\"HTTP\""))]),
    ("core.v1.HostPathVolumeSource", &[("type", Json("\"\""))]),
    ("core.v1.ImageVolumeSource", &[("pullPolicy", Json("\"IfNotPresent\""))]),
    ("core.v1.NamespaceSpec", &[("finalizers", Json(r#"["kubernetes"]"#))]),
    ("core.v1.ObjectFieldSelector", &[("apiVersion", Json("\"v1\""))]),
    (
        "core.v1.PersistentVolumeClaim",
        &[
            ("apiVersion", Json("\"v1\"")),
            ("kind", Json("\"PersistentVolumeClaim\"")),
            ("status", Json(r#"{"phase":"Pending"}"#)),
        ],
    ),
    ("core.v1.PersistentVolumeClaimSpec", &[("storageClassName", Allocated), ("volumeMode", Json("\"Filesystem\""))]),
    (
        "core.v1.PersistentVolumeSpec",
        &[("persistentVolumeReclaimPolicy", Json("\"Retain\"")), ("volumeMode", Json("\"Filesystem\""))],
    ),
    (
        "core.v1.PodSpec",
        &[
            ("dnsPolicy", Json("\"ClusterFirst\"")),
            ("enableServiceLinks", Json("true")),
            ("restartPolicy", Json("\"Always\"")),
            ("securityContext", EMPTY_OBJECT),
            ("schedulerName", Json("\"default-scheduler\"")),
            ("terminationGracePeriodSeconds", Json("30")),
        ],
    ),
    ("core.v1.PodTemplateSpec", &[("metadata", EMPTY_OBJECT)]),
    (
        "core.v1.Probe",
        &[
            ("failureThreshold", Json("3")),
            ("periodSeconds", Json("10")),
            ("successThreshold", Json("1")),
            ("timeoutSeconds", Json("1")),
        ],
    ),
    ("core.v1.ProjectedVolumeSource", &[("defaultMode", FILE_MODE)]),
    ("core.v1.ReplicationControllerSpec", &[("selector", Allocated)]),
    ("core.v1.ResourceFieldSelector", &[("divisor", Json("\"0\""))]),
    ("core.v1.SecretVolumeSource", &[("defaultMode", FILE_MODE)]),
    ("core.v1.Secret", &[("type", Json("\"Opaque\""))]),
    ("core.v1.ServiceAccountTokenProjection", &[("expirationSeconds", Json("3600"))]),
    ("core.v1.ServicePort", &[("nodePort", Allocated), ("protocol", TCP), ("targetPort", Sibling("port"))]),
    (
        "core.v1.ServiceSpec",
        &[
            ("allocateLoadBalancerNodePorts", Json("true")),
            ("clusterIP", Allocated),
            ("clusterIPs", Allocated),
            ("externalTrafficPolicy", Json("\"Cluster\"")),
            ("healthCheckNodePort", Allocated),
            ("internalTrafficPolicy", Json("\"Cluster\"")),
            ("ipFamilies", Allocated),
            ("ipFamilyPolicy", Allocated),
            ("sessionAffinity", Json("\"None\"")),
            ("sessionAffinityConfig", Json(r#"{"clientIP":{"timeoutSeconds":10800}}"#)),
            ("type", Json("\"ClusterIP\"")),
        ],
    ),
    ("core.v1.Volume", &[("emptyDir", EMPTY_OBJECT)]),
    ("discovery.v1.EndpointPort", &[("name", Json("\"\"")), ("protocol", TCP)]),
    (
        "flowcontrol.v1.ExemptPriorityLevelConfiguration",
        &[("lendablePercent", Json("0")), ("nominalConcurrencyShares", Json("0"))],
    ),
    ("flowcontrol.v1.FlowSchemaSpec", &[("matchingPrecedence", Json("1000"))]),
    (
        "flowcontrol.v1.LimitedPriorityLevelConfiguration",
        &[("lendablePercent", Json("0")), ("nominalConcurrencyShares", Json("30"))],
    ),
    (
        "flowcontrol.v1.QueuingConfiguration",
        &[("handSize", Json("8")), ("queueLengthLimit", Json("50")), ("queues", Json("64"))],
    ),
    ("networking.v1.IngressClassParametersReference", &[("scope", Json("\"Cluster\""))]),
    ("networking.v1.NetworkPolicyPort", &[("protocol", TCP)]),
    ("networking.v1.NetworkPolicySpec", &[("policyTypes", PolicyTypes)]),
    ("rbac.v1.RoleRef", &[("apiGroup", RBAC_GROUP)]),
    ("rbac.v1.Subject", &[("apiGroup", RBAC_GROUP)]),
    ("resource.v1.DeviceSubRequest", &[("allocationMode", Json("\"ExactCount\"")), ("count", Json("1"))]),
    ("resource.v1.ExactDeviceRequest", &[("allocationMode", Json("\"ExactCount\"")), ("count", Json("1"))]),
    ("scheduling.v1.PriorityClass", &[("preemptionPolicy", Json("\"PreemptLowerPriority\""))]),
    (
        "storage.v1.CSIDriverSpec",
        &[
            ("attachRequired", Json("true")),
            ("fsGroupPolicy", Json("\"ReadWriteOnceWithFSType\"")),
            ("podInfoOnMount", Json("false")),
            ("requiresRepublish", Json("false")),
            ("seLinuxMount", Json("false")),
            ("storageCapacity", Json("false")),
            ("volumeLifecycleModes", Json(r#"["Persistent"]"#)),
        ],
    ),
    ("storage.v1.StorageClass", &[("reclaimPolicy", Json("\"Delete\"")), ("volumeBindingMode", Json("\"Immediate\""))]),
];

impl TableDefault {
    pub(super) fn value(&self) -> DefaultValue {
        match *self {
            Allocated => DefaultValue::Allocated,
            Json(text) => DefaultValue::Value(serde_json::from_str(text).expect("the table above is read by a test")),
            Lowercase(name) => DefaultValue::Lowercase(name),
            PolicyTypes => DefaultValue::PolicyTypes,
            PullPolicy => DefaultValue::PullPolicy,
            Sibling(name) => DefaultValue::Sibling(name),
            WithList(name) => DefaultValue::WithList(name),
        }
    }
}
