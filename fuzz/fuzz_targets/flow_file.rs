//! Any text as a flow file: whatever is read is planned as far as nothing outside is opened, and each refusal says something.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pcmflow::engine::config::Config;
use pcmflow::flow_file::{FlowFile, OpenError};
use std::path::Path;

fuzz_target!(|text: &str| {
    let config = Config::default();
    let errors = match FlowFile::parse(text, &config) {
        Err(errors) => errors,
        Ok(file) => {
            assert!(
                file.nodes.len() <= FlowFile::NODES_MAX && file.pipelines.len() <= FlowFile::PIPELINES_MAX
            );
            let synthetic =
                file.plan(Path::new("/nowhere"), &config.audio, &mut |node, folder| match node.kind.name {
                    "synth" => node.open(folder),
                    kind => Err(OpenError::Refused(kind.to_owned())),
                });
            match synthetic {
                Err(errors) => errors,
                Ok(plan) => {
                    let (dot, mermaid) = (plan.graph.to_dot(), plan.graph.to_mermaid());
                    assert!(dot.starts_with("digraph") && mermaid.starts_with("flowchart"));
                    return;
                }
            }
        }
    };
    assert!(!errors.errors.is_empty() && !errors.to_string().is_empty());
    assert!(errors.errors.iter().all(|error| error.line > 0));
});
