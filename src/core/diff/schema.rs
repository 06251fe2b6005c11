//! What is known of a kind's fields: kinds of lists and their keys, values that
//! have several spellings, defaults. One arena holds the types of many kinds.

use std::collections::HashMap;

use serde_json::Value;

/// How the items of a list belong together
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>).
#[derive(Clone, Debug, PartialEq)]
pub enum ListKind {
    /// One value: replaced as a whole.
    Atomic,
    /// Nothing is known: keyed by `name` where every item has one of its own, else atomic.
    Guess,
    /// Items are told apart by the fields named here.
    Map(Vec<Key>),
    /// Scalars, each at most once, in any order.
    Set,
}

/// A field that keys the items of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The field's name.
    pub name: Box<str>,
    /// What a missing field stands for: `protocol: TCP`.
    pub default: Option<Value>,
}

/// How two spellings of a scalar can be the same value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scalar {
    /// Bytes in base64, white space meaning nothing.
    Base64,
    /// A Go duration: `90m` is `1h30m0s`.
    Duration,
    /// Numbers by value, all else as it is written.
    #[default]
    Plain,
    /// A Kubernetes quantity: `0.5` is `500m`.
    Quantity,
}

/// What the server puts into a field that is left out.
#[derive(Clone, Debug, PartialEq)]
pub enum DefaultValue {
    /// A value that it allocates: a cluster IP, a node port.
    Allocated,
    /// `Ingress`, and `Egress` for a network policy that has rules for it.
    PolicyTypes,
    /// `Always` for an image tagged `latest` or not at all, else `IfNotPresent`.
    PullPolicy,
    /// The value of another field of the same object.
    Sibling(&'static str),
    /// Always the same value.
    Value(Value),
}

/// The types of one or many kinds.
#[derive(Debug)]
pub struct Schema {
    nodes: Vec<Node>,
}

/// One type in a schema.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) fields: HashMap<Box<str>, Field>,
    /// The type of the values of a map, or of every field that is not named.
    pub(super) values: Option<NodeId>,
    pub(super) scalar: Scalar,
    pub(super) list: ListKind,
    pub(super) items: NodeId,
    /// A map that is replaced as a whole.
    pub(super) atomic: bool,
    /// Pairs of fields that say the same thing: the older one, and the one that counts.
    pub(super) aliases: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) node: NodeId,
    pub(super) fill: Option<DefaultValue>,
}

pub(super) type NodeId = usize;

/// The node of which nothing is known; every schema has it first.
pub(super) const UNKNOWN: NodeId = 0;
const DURATION: NodeId = 1;

/// Fields of custom resources that are known to be Go durations, whatever their
/// schema says (cert-manager's and Flux's own types declare them as plain strings).
const DURATIONS: [&str; 6] = ["duration", "interval", "renewBefore", "requeueAfter", "retryInterval", "timeout"];

/// A place in a schema: what is known of the value that stands there.
#[derive(Clone, Copy, Debug)]
pub struct SchemaRef<'s> {
    schema: &'s Schema,
    node: NodeId,
}

// === impl Schema ===

impl Schema {
    /// A schema that knows nothing yet.
    pub(super) fn new() -> Self {
        let duration = Node { scalar: Scalar::Duration, ..Node::default() };
        Self { nodes: vec![Node::default(), duration] }
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id]
    }

    pub(super) fn place(&self, node: NodeId) -> SchemaRef<'_> {
        SchemaRef { schema: self, node }
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            fields: HashMap::new(),
            values: None,
            scalar: Scalar::Plain,
            list: ListKind::Guess,
            items: UNKNOWN,
            atomic: false,
            aliases: &[],
        }
    }
}

pub(super) fn is_duration(name: &str) -> bool {
    DURATIONS.contains(&name)
}

// === impl SchemaRef ===

impl<'s> SchemaRef<'s> {
    fn node(self) -> &'s Node {
        &self.schema.nodes[self.node]
    }

    fn at(self, node: NodeId) -> Self {
        Self { node, ..self }
    }

    /// The place of the field `name`.
    #[must_use]
    pub fn field(self, name: &str) -> Self {
        match (self.node().fields.get(name), self.node().values) {
            (Some(field), _) => self.at(field.node),
            (None, Some(values)) => self.at(values),
            (None, None) if self.node == UNKNOWN && is_duration(name) => self.at(DURATION),
            (None, None) => self.at(UNKNOWN),
        }
    }

    /// The place of the items of a list.
    #[must_use]
    pub fn items(self) -> Self {
        self.at(self.node().items)
    }

    /// How the items of a list belong together.
    pub fn list(self) -> &'s ListKind {
        &self.node().list
    }

    /// How a scalar is compared.
    pub fn scalar(self) -> Scalar {
        self.node().scalar
    }

    /// Whether a map is replaced as a whole.
    pub fn is_atomic_map(self) -> bool {
        self.node().atomic
    }

    /// Whether nothing is known of this place.
    pub fn is_unknown(self) -> bool {
        self.node == UNKNOWN
    }

    /// What the server puts into the field `name` where it is left out.
    pub fn fill(self, name: &str) -> Option<&'s DefaultValue> {
        self.node().fields.get(name)?.fill.as_ref()
    }

    /// Pairs of fields that say the same: the older name, and the one that counts.
    pub fn aliases(self) -> &'s [(&'static str, &'static str)] {
        self.node().aliases
    }
}
