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
    /// Bytes in base64; white space does not count.
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
}

/// One type in a schema.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) fields: HashMap<Box<str>, Field>,
    /// The type of the values of a map, or of every field that is not named.
    pub(super) values: Option<NodeId>,
    pub(super) scalar: ScalarKind,
    pub(super) list: ListKind,
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

/// Fields of custom resources that are known to be Go durations, whatever their
/// schema says (cert-manager's and Flux's own types declare them as plain strings).
const DURATION_FIELDS: [&str; 6] = ["duration", "interval", "renewBefore", "requeueAfter", "retryInterval", "timeout"];

/// A reference to one type of a schema: what is known of a value.
#[derive(Clone, Copy, Debug)]
pub struct SchemaRef<'s> {
    schema: &'s Schema,
    node: NodeId,
}

// === impl Schema ===

impl Schema {
    /// A schema without types, except for the two of fixed index.
    pub(super) fn new() -> Self {
        let duration = Node { scalar: ScalarKind::Duration, ..Node::default() };
        Self { nodes: vec![Node::default(), duration], unlisted: UNKNOWN }
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
            values: None,
            scalar: ScalarKind::Plain,
            list: ListKind::Infer,
            items: UNKNOWN,
            atomic: false,
            owned_whole: false,
            derived: &[],
            aliases: &[],
        }
    }
}

/// Whether fields of this name are known to be Go durations.
pub(super) fn is_duration_field(name: &str) -> bool {
    DURATION_FIELDS.contains(&name)
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
            (None, None) if self.node == UNKNOWN && is_duration_field(name) => self.at(DURATION),
            (None, None) if self.node == UNKNOWN => self.at(UNKNOWN),
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

    /// Whether the API server knows the items of a list apart, so that each has owners.
    pub fn is_keyed_by_server(self) -> bool {
        matches!(self.list(), ListKind::Map(_) | ListKind::Set)
    }

    /// How a scalar is compared.
    pub fn scalar(self) -> ScalarKind {
        self.node().scalar
    }

    /// Whether a map is replaced as a whole.
    pub fn is_atomic_map(self) -> bool {
        self.node().atomic
    }

    /// Whether nothing is known of the value.
    pub fn is_unknown(self) -> bool {
        self.node == UNKNOWN
    }

    /// Who owns a struct or map in `managedFields`.
    pub fn ownership(self) -> StructOwnership {
        let node = self.node();
        if node.atomic || node.owned_whole {
            StructOwnership::Whole
        } else if self.node == UNKNOWN {
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
