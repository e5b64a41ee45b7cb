//! `pcmflow run` with a critical pipeline: what its threads ask of the system, and what is said of that.

use super::flow_files::example;
use super::support::{Place, Running, pcmflow};
use std::collections::BTreeMap;
use std::time::Duration;

/// A flow at work whose tuner is critical, and whose tape is not.
fn critical(place: &Place, signal: &str, more: &[&str]) -> Running {
    let text = format!(
        "nodes = [{{ name = 'guitar', kind = 'synth', parameters = {{ {signal} }} }}, \
         {{ name = 'tuner', kind = 'pitch', parameters = {{ output = 'pitch.jsonl' }} }}, \
         {{ name = 'tape', kind = 'wav', parameters = {{ path = 'tape.wav' }} }}]\n\
         pipelines = [{{ from = 'guitar', to = 'tuner', priority = 'critical' }}, {{ from = 'guitar', to = 'tape' }}]\n"
    );
    let flow = place.file("flow.toml", text.as_bytes());
    let books = place.at("books.json");
    pcmflow(["run", &flow, "--summary", &books].iter().chain(more)).start()
}

#[test]
fn who_asks_for_no_real_time_says_why() {
    for (signal, more, why) in [
        ("signal = 'silence,seconds=0.2', pace = 'fast'", &[][..], "node guitar does not keep time"),
        (
            "signal = 'silence,seconds=0.2', pace = 'realtime'",
            &["--set", "threads.real_time=false"],
            "threads.real_time is false (flag)",
        ),
    ] {
        let place = Place::new();
        let mut running = critical(&place, signal, more);
        let out = running.gather_stdout();
        let output = running.end(out).says(&["pcmflow: critical: no real-time scheduling: ", why]);
        assert!(output.out.is_empty(), "{}", output.text());
        let told = place.json("books.json")["critical"].as_str().unwrap().to_owned();
        assert!(told.contains(why), "{told}");
    }
    // Who reads JSON lines reads it there, too.
    let place = Place::new();
    let mut running = critical(&place, "signal = 'silence,seconds=0.2'", &["--console", "--json"]);
    let out = running.gather_stdout();
    let told = running.end(out).json().remove(0);
    assert!(told["told"].as_str().unwrap().starts_with("critical: no real-time scheduling: "), "{told}");
    // Where nothing is critical, nothing is said.
    let place = Place::new();
    let flow = place.file("flow.toml", &std::fs::read(example("recorder")).unwrap());
    let output = pcmflow(["run", &flow, "--summary", &place.at("books.json")]).end().code(0);
    assert!(!output.err.contains("critical"), "{}", output.err);
    assert!(place.json("books.json").get("critical").is_none());
}

/// By their names, how many threads are scheduled by SCHED_FIFO, and how many otherwise.
#[cfg(target_os = "linux")]
fn threads(of: u32) -> BTreeMap<String, [usize; 2]> {
    let mut threads = BTreeMap::<String, [usize; 2]>::new();
    for task in std::fs::read_dir(format!("/proc/{of}/task")).unwrap() {
        // It may be gone already.
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')) else {
            continue;
        };
        // Field 41 of the whole is the policy; two are behind us.
        let is_fifo = rest.split_whitespace().nth(38) == Some("1");
        threads.entry(name.to_owned()).or_default()[usize::from(!is_fifo)] += 1;
    }
    threads
}

/// Also the thread of a node that may block, and no other. Who has no right to it is told how to get it.
#[cfg(target_os = "linux")]
#[test]
fn what_is_critical_goes_before_all_others_where_that_is_granted() {
    let place = Place::new();
    let mut running = critical(&place, "signal = 'silence,seconds=2', pace = 'realtime'", &[]);
    let out = running.gather_stdout();
    while !threads(running.child.id()).contains_key("pcmflow alone 1") {
        std::thread::sleep(Duration::from_millis(5));
    }
    // A thread has its name before it has asked for anything.
    std::thread::sleep(Duration::from_millis(200));
    let threads = threads(running.child.id());
    let output = running.end(out);
    let granted = output.err.contains("pcmflow: critical: SCHED_FIFO, priority ");
    assert!(granted || output.err.contains("RLIMIT_RTPRIO of at least 1"), "{}", output.err);
    let fifo = threads.values().map(|[fifo, _]| fifo).sum::<usize>();
    // The one that critical tasks share, and the tuner's; not the tape's.
    assert_eq!(fifo, if granted { 2 } else { 0 }, "{threads:?}");
    if granted {
        assert_eq!(threads["pcmflow critica"], [1, 0], "{threads:?}");
        assert_eq!(threads["pcmflow alone 0"][0] + threads["pcmflow alone 1"][0], 1, "{threads:?}");
    }
}
