//! How drift is answered (the mode), and what a write is answered (the outcome).

/// What drift is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// It is allowed in silence, counted and logged.
    Audit,
    /// It is allowed with a warning.
    Warn,
    /// It is denied.
    #[default]
    Enforce,
}

/// What a write is answered, from the softest to the strictest: the "answer" of
/// the configuration, the logs and the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It is allowed.
    #[default]
    Allow,
    /// It is allowed with a warning.
    Warn,
    /// It is denied.
    Deny,
}

impl Mode {
    /// The mode's name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Enforce => "enforce",
            Self::Warn => "warn",
        }
    }

    /// What drift is answered in this mode.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Audit => Outcome::Allow,
            Self::Enforce => Outcome::Deny,
            Self::Warn => Outcome::Warn,
        }
    }
}

impl Outcome {
    /// The answer's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Warn => "warn",
        }
    }
}
