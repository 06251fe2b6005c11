//! What is known of a kind's fields: kinds of lists and their keys, scalars that
//! have several spellings, the server's defaults. One arena holds the types of
//! many kinds.

use std::collections::HashMap;

use serde_json::Value;

/// How a list is merged, which says how its items are compared
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>).
#[derive(Clone, Debug, PartialEq)]
pub enum ListKind {
    /// One value: replaced as a whole.
    Atomic,
    /// Nothing is known: keyed by `name` where every item has a unique one, else atomic.
    Infer,
    /// Keyed: these fields identify an item.
    Map(Vec<ListKey>),
    /// Scalars, each at most once, in any order.
    Set,
}

/// When the order of the items of a keyed list is a part of its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListOrder {
    /// Always: to the API server the list is one value, or its items are run one by one.
    Counts,
    /// Where one item refers to another, as `$(NAME)` does in `env`; of several items with
    /// the same keys the last one counts
    /// (<https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#environment-variables>).
    CountsForReferences,
    /// Never.
    Free,
}

/// A field that keys the items of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListKey {
    /// The field's name.
    pub name: Box<str>,
    /// The value that a missing field stands for: `protocol: TCP`.
    pub default: Option<Value>,
}

/// How scalars are compared: when two spellings are the same value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScalarKind {
    /// Bytes in base64: compared by the bytes.
    Base64,
    /// A Go duration: `90m` is `1h30m0s`.
    Duration,
    /// Numbers by value, everything else as it is written.
    #[default]
    Plain,
    /// A Kubernetes quantity: `0.5` is `500m`.
    Quantity,
}

/// Who owns a struct or map, as the API server tracks it (`managedFields`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructOwnership {
    /// Each field has owners of its own.
    ByField,
    /// Nothing is known of the type.
    Unknown,
    /// All of it has the same owners.
    Whole,
}

/// The value that the server gives to a field that is left out.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValue {
    /// One that it allocates: a cluster IP, a node port.
    Allocated,
    /// The lower case of another field of the same object.
    Lowercase(&'static str),
    /// `Ingress`, and `Egress` for a network policy that has rules for it.
    PolicyTypes,
    /// `Always` for an image tagged `latest` or not at all, else `IfNotPresent`.
    PullPolicy,
    /// The value of another field of the same object.
    Sibling(&'static str),
    /// Always the same value.
    Value(Value),
    /// The value of another field of the same object, with `List` after it.
    WithList(&'static str),
}

/// The types of one or many kinds.
#[derive(Debug)]
pub struct Schema {
    nodes: Vec<Node>,
    /// The type of a field of which nothing is said.
    unlisted: NodeId,
    /// Whether the API server drops fields that closed types do not have.
    pub(super) prunes: bool,
}

/// One type in a schema.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) fields: HashMap<Box<str>, Field>,
    /// Whether there are no other fields than these.
    pub(super) is_closed: bool,
    /// The type of the values of a map, or of every field that is not named.
    pub(super) values: Option<NodeId>,
    pub(super) scalar: ScalarKind,
    pub(super) list: ListKind,
    pub(super) order: ListOrder,
    pub(super) items: NodeId,
    /// A map that is replaced as a whole.
    pub(super) atomic: bool,
    /// A struct that has one owner (`x-kubernetes-map-type: atomic` of its type), though
    /// it is compared field by field.
    pub(super) owned_whole: bool,
    /// Fields that the server also fills from another field: the field, and that other one.
    pub(super) derived: &'static [(&'static str, &'static str)],
    /// Pairs of fields that say the same thing: the older name, and the one that counts.
    pub(super) aliases: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) node: NodeId,
    pub(super) default: Option<DefaultValue>,
}

pub(super) type NodeId = usize;

/// The node of a type of which nothing is known: the first one of every schema.
pub(super) const UNKNOWN: NodeId = 0;
/// The node of Go durations: the second one of every schema.
const DURATION: NodeId = 1;
/// The node of bytes in base64.
const BYTES: NodeId = 2;
/// The node of a list whose items have names, in any order.
const UNORDERED: NodeId = 3;
/// The node of the variables of a container.
const VARIABLES: NodeId = 4;
/// The node of a container's resources.
const RESOURCES: NodeId = 5;
/// The node of a map of quantities.
const QUANTITIES: NodeId = 6;
/// The node of a quantity.
const QUANTITY: NodeId = 7;
/// The last node of fixed index: below, nothing is known of a type but its field's name.
const LAST_FIXED: NodeId = QUANTITY;

/// Fields of custom resources that are known to be Go durations, whatever their
/// schema says (cert-manager's and Flux's own types declare them as plain strings).
const DURATION_FIELDS: [&str; 6] = ["duration", "interval", "renewBefore", "requeueAfter", "retryInterval", "timeout"];

/// Lists of a Pod's spec that custom resources have too, often as one value: to the
/// kubelet the order of their items means nothing
/// (<https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>).
const UNORDERED_LISTS: [&str; 9] = [
    "containers",
    "ephemeralContainers",
    "imagePullSecrets",
    "ports",
    "resourceClaims",
    "secrets",
    "volumeDevices",
    "volumeMounts",
    "volumes",
];

/// A reference to one type of a schema: what is known of a value.
#[derive(Clone, Copy, Debug)]
pub struct SchemaRef<'s> {
    schema: &'s Schema,
    node: NodeId,
}

// === impl Schema ===

impl Schema {
    /// A schema without types, except for those of fixed index.
    pub(super) fn new() -> Self {
        let duration = Node { scalar: ScalarKind::Duration, ..Node::default() };
        let bytes = Node { scalar: ScalarKind::Base64, ..Node::default() };
        let unordered = Node { order: ListOrder::Free, ..Node::default() };
        let variables = Node { order: ListOrder::CountsForReferences, ..Node::default() };
        // Operators write Pod templates whole, and quantities in their shortest spelling.
        let quantities = ["limits", "requests"].map(|name| (name.into(), Field { node: QUANTITIES, default: None }));
        let resources = Node { fields: HashMap::from(quantities), ..Node::default() };
        let by_resource = Node { values: Some(QUANTITY), ..Node::default() };
        let quantity = Node { scalar: ScalarKind::Quantity, ..Node::default() };
        let nodes = vec![Node::default(), duration, bytes, unordered, variables, resources, by_resource, quantity];
        Self { nodes, unlisted: UNKNOWN, prunes: false }
    }

    /// Says that a field that is not listed is a scalar, or a struct or map that is
    /// owned field by field: the facts list everything else.
    pub(super) fn lists_all_but_the_plain(&mut self) {
        self.unlisted = self.add(Node::default());
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id]
    }

    pub(super) fn at(&self, node: NodeId) -> SchemaRef<'_> {
        SchemaRef { schema: self, node }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            fields: HashMap::new(),
            is_closed: false,
            values: None,
            scalar: ScalarKind::Plain,
            list: ListKind::Infer,
            order: ListOrder::Counts,
            items: UNKNOWN,
            atomic: false,
            owned_whole: false,
            derived: &[],
            aliases: &[],
        }
    }
}

/// How the scalars in fields of this name are known to be compared, where their type is a plain text.
pub(super) fn scalar_by_name(name: &str) -> ScalarKind {
    match name {
        // Certificates: `[]byte` in every API, though not every schema says so.
        "caBundle" => ScalarKind::Base64,
        name if DURATION_FIELDS.contains(&name) => ScalarKind::Duration,
        _ => ScalarKind::Plain,
    }
}

/// Whether the order of the items in a list of this name means something.
/// `is_keyed_by_server`: the API server itself knows them apart.
pub(super) fn order_by_name(name: &str, is_keyed_by_server: bool) -> ListOrder {
    match name {
        "env" => ListOrder::CountsForReferences,
        // The kubelet runs them one after the other.
        "initContainers" => ListOrder::Counts,
        _ if is_keyed_by_server || UNORDERED_LISTS.contains(&name) => ListOrder::Free,
        _ => ListOrder::Counts,
    }
}

/// What is known of a field by its name alone.
fn node_by_name(name: &str) -> NodeId {
    if name == "resources" {
        return RESOURCES;
    }
    match (scalar_by_name(name), order_by_name(name, false)) {
        (ScalarKind::Base64, _) => BYTES,
        (ScalarKind::Duration, _) => DURATION,
        (_, ListOrder::CountsForReferences) => VARIABLES,
        (_, ListOrder::Free) => UNORDERED,
        (_, ListOrder::Counts) => UNKNOWN,
    }
}

// === impl SchemaRef ===

impl<'s> SchemaRef<'s> {
    fn node(self) -> &'s Node {
        &self.schema.nodes[self.node]
    }

    fn at(self, node: NodeId) -> Self {
        Self { node, ..self }
    }

    /// What is known of the field `name`.
    #[must_use]
    pub fn field(self, name: &str) -> Self {
        match (self.node().fields.get(name), self.node().values) {
            (Some(field), _) => self.at(field.node),
            (None, Some(values)) => self.at(values),
            (None, None) if self.node == UNKNOWN || self.schema.unlisted == UNKNOWN => self.at(node_by_name(name)),
            (None, None) => self.at(self.schema.unlisted),
        }
    }

    /// What is known of the items of a list.
    #[must_use]
    pub fn items(self) -> Self {
        self.at(self.node().items)
    }

    /// How the items of a list are compared.
    pub fn list(self) -> &'s ListKind {
        &self.node().list
    }

    /// When the order of a keyed list's items means something.
    pub(super) fn order(self) -> ListOrder {
        self.node().order
    }

    /// Whether the API server knows the items of a list apart, so that each has owners.
    pub fn is_keyed_by_server(self) -> bool {
        matches!(self.list(), ListKind::Map(_) | ListKind::Set)
    }

    /// How a scalar is compared.
    pub fn scalar(self) -> ScalarKind {
        self.node().scalar
    }

    /// Whether it is a map, whose keys the writer chooses, as far as is known.
    pub(super) fn is_map(self) -> bool {
        let Node { fields, values, .. } = self.node();
        self.is_of_builtin_kind() && fields.is_empty() && values.is_some()
    }

    /// Whether a map is replaced as a whole.
    pub fn is_atomic_map(self) -> bool {
        self.node().atomic
    }

    /// Whether nothing is known of the value.
    pub fn is_unknown(self) -> bool {
        self.node == UNKNOWN
    }

    /// Whether the API server drops what the types do not have.
    pub(super) fn is_pruned(self) -> bool {
        self.schema.prunes
    }

    /// Whether the API server drops the field `name`, since the type does not have it.
    pub(super) fn prunes(self, name: &str) -> bool {
        self.schema.prunes && self.node().is_closed && !self.node().fields.contains_key(name)
    }

    /// Whether this is a type of a kind that is built into the API server.
    pub(super) fn is_of_builtin_kind(self) -> bool {
        self.node > LAST_FIXED && self.schema.unlisted != UNKNOWN
    }

    /// Who owns a struct or map in `managedFields`.
    pub fn ownership(self) -> StructOwnership {
        let node = self.node();
        if node.atomic || node.owned_whole {
            StructOwnership::Whole
        } else if self.node <= LAST_FIXED {
            StructOwnership::Unknown
        } else if !node.fields.is_empty() || node.values.is_some() || self.schema.unlisted != UNKNOWN {
            StructOwnership::ByField
        } else {
            StructOwnership::Unknown
        }
    }

    /// The fields of the same struct from which the server also fills the field `name`:
    /// who owns one of them owns this one.
    pub fn derived_from(self, name: &str) -> impl Iterator<Item = &'static str> {
        let is_of_field = move |(field, _): &&(&str, &str)| *field == name;
        self.node().derived.iter().filter(is_of_field).map(|(_, from)| *from)
    }

    /// What the server gives to the field `name` where it is left out.
    pub fn default_of(self, name: &str) -> Option<&'s DefaultValue> {
        self.node().fields.get(name)?.default.as_ref()
    }

    /// Pairs of fields that say the same thing: the older name, and the one that counts.
    pub fn aliases(self) -> &'s [(&'static str, &'static str)] {
        self.node().aliases
    }
}
