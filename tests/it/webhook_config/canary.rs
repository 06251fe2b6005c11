//! The webhook of the canary.

use driftwall_core::canary::{CANARY_LABEL, CANARY_WEBHOOK, CanaryObject};
use driftwall_core::desired::Snapshot;
use driftwall_core::webhook_config::{WebhookParameters, build};
use serde_json::{Value, json};

use crate::webhook_config::rules::settings;

fn webhook(made: &Value) -> Option<&Value> {
    made["webhooks"].as_array().unwrap().iter().find(|webhook| webhook["name"] == CANARY_WEBHOOK)
}

#[test]
fn the_canary_has_the_address_of_the_others_and_concerns_one_object() {
    for (timeout_seconds, expected, match_conditions) in [(3, 3, true), (30, 10, false)] {
        let canary = Some("wall".to_owned());
        let parameters = WebhookParameters { canary, timeout_seconds, match_conditions, ..settings() };
        let object = CanaryObject { namespace: parameters.own_namespace.clone(), service: "wall".into() };
        let made = build(&Snapshot::default(), &parameters);
        let webhook = webhook(&made).unwrap();
        assert_eq!(webhook["clientConfig"], made["webhooks"][0]["clientConfig"]);
        // Whatever the others are: only so the API server says why it cannot call.
        assert_eq!((&webhook["failurePolicy"], &webhook["timeoutSeconds"]), (&json!("Fail"), &json!(expected)));
        assert_eq!(webhook["matchConditions"], Value::Null, "its writer is a service account");
        assert_eq!(webhook["objectSelector"], json!({"matchLabels": {CANARY_LABEL: "wall"}}));
        assert_eq!(object.manifest()["metadata"]["labels"], webhook["objectSelector"]["matchLabels"]);
        let of_own_namespace = json!([{
            "key": "kubernetes.io/metadata.name", "operator": "In", "values": [parameters.own_namespace],
        }]);
        assert_eq!(webhook["namespaceSelector"]["matchExpressions"], of_own_namespace);
        assert_eq!(webhook["rules"][0]["resources"], json!(["configmaps"]));
    }
    assert_eq!(webhook(&build(&Snapshot::default(), &settings())), None);
}
