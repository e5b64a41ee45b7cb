//! What is told, and what no queue held.

use super::*;
use crate::heard::HEARD_MAX;

#[test]
fn events_have_their_names_sources_and_fields() {
    let mut page = Page::open("{}", 48_000, 1);
    page.run(16, |_| 0.1);
    let started = page.named("source_started")[0];
    assert_eq!((&started["source"], &started["priority"]), (&"input".into(), &"high".into()));
    assert_eq!(started["fields"], json(r#"{"source":"input","rate_hz":48000,"channels":1}"#));
    assert!(started["at_ms"].as_f64() >= Some(1_000.0));
    assert_eq!(page.engine.events(), "[]", "each is told once");
}

#[test]
fn the_oldest_comes_first() {
    let mut engine = WebEngine::open("{}").unwrap();
    let capture = engine.stream(&request(48_000, 1)).unwrap();
    for quantum in 0..100 {
        capture.push(128, f64::from(quantum) * 128.0 / 48.0);
        engine.poll(f64::from(quantum) * 3.0);
    }
    let told = json(&engine.events());
    let times: Vec<f64> = told.as_array().unwrap().iter().filter_map(|told| told["at_ms"].as_f64()).collect();
    assert!(times.len() > 20 && times.is_sorted(), "{times:?}");
    let kinds: Vec<&str> = told.as_array().unwrap().iter().filter_map(|told| told["type"].as_str()).collect();
    assert!(["pitch", "level", "event"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}

#[test]
fn what_nobody_fetches_is_given_up_and_counted() {
    let mut engine = WebEngine::open("{}").unwrap();
    let capture = engine.stream(&request(48_000, 1)).unwrap();
    let blocks = HEARD_MAX as u32;
    for quantum in 0..blocks * 8 {
        capture.push(128, f64::from(quantum) * 128.0 / 48.0);
        engine.poll(f64::from(quantum) * 2.667);
    }
    let told = json(&engine.events());
    // A pitch and a level of each block, of which half fit.
    assert_eq!(told[0], json(&format!(r#"{{"type":"missed","events":{blocks}}}"#)));
    let results =
        told.as_array().unwrap().iter().filter(|told| told["type"] == "pitch" || told["type"] == "level");
    assert_eq!(results.count(), HEARD_MAX);
}
