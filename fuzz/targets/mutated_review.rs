//! A recorded review, changed in any place: envelope, objects, managedFields.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Unstructured;
use driftwall_core::policy::Verdict;
use driftwall_fuzz::judge::RECORDED_CLUSTER;
use driftwall_fuzz::mutate::{mutate, to_json};
use driftwall_fuzz::recordings::RECORDED;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: { LazyLock::force(&RECORDED); LazyLock::force(&RECORDED_CLUSTER); }, |data: &[u8]| {
    let mut input = Unstructured::new(data);
    let Ok(index) = input.choose_index(RECORDED.len()) else { return };
    let mut review = RECORDED[index].review.clone();
    if mutate(&mut input, &mut review).is_err() {
        return;
    }
    let body = to_json(&review);
    let answer = RECORDED_CLUSTER.answer(&body);
    assert_eq!(answer, RECORDED_CLUSTER.answer(&body), "the same review gets the same answer");
    RECORDED_CLUSTER.check_decoders(&body, answer.as_ref());

    // What changes nothing is no drift, whoever writes it.
    let Some(request) = review.get_mut("request") else { return };
    let has = |field: &str| request.get(field).is_some_and(|value| !value.is_null());
    if request.get("operation") == Some(&"UPDATE".into()) && !has("subResource") && has("object") {
        request["oldObject"] = request["object"].clone();
        if let Some(answer) = RECORDED_CLUSTER.answer(&to_json(&review)) {
            assert!(
                answer.allowed || answer.verdict == Verdict::Error,
                "a write that changes nothing is denied: {}\n{}",
                answer.response,
                String::from_utf8_lossy(&to_json(&review))
            );
        }
    }
});
