//! Any bytes as an AdmissionReview.

#![no_main]

use std::sync::LazyLock;

use driftwall_fuzz::judge::RECORDED_CLUSTER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: { LazyLock::force(&RECORDED_CLUSTER); }, |body: &[u8]| {
    let answer = RECORDED_CLUSTER.answer(body);
    assert_eq!(answer, RECORDED_CLUSTER.answer(body), "the same review gets the same answer");
    RECORDED_CLUSTER.check_decoders(body, answer.as_ref());
});
