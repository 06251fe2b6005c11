//! The ValidatingWebhookConfiguration: its rules and its match conditions.

mod match_conditions;
mod rules;
