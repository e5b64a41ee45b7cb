//! Imports point downward only: which crate of this workspace may depend on which.
//!
//! Read from the `Cargo.toml` of each crate as text, in the two forms cargo knows for a dependency: a key in a
//! `[…dependencies]` table, and a table of its own (`[dependencies.name]`). Renamed ones are seen by `package = "…"`.

use super::Complaint;

/// A crate and what of the workspace it may use, top to bottom.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "pcmflow-cli",
        &["pcmflow", "pcmflow-sim", "pcmflow-io", "pcmflow-pitch", "pcmflow-engine", "pcmflow-core"],
    ),
    ("pcmflow-web", &["pcmflow", "pcmflow-io", "pcmflow-pitch", "pcmflow-engine", "pcmflow-core"]),
    ("pcmflow-sim", &["pcmflow-engine", "pcmflow-core"]),
    ("pcmflow", &["pcmflow-engine", "pcmflow-io", "pcmflow-pitch", "pcmflow-core"]),
    ("pcmflow-engine", &["pcmflow-core"]),
    ("pcmflow-io", &["pcmflow-core"]),
    ("pcmflow-pitch", &["pcmflow-core"]),
    ("pcmflow-core", &[]),
];

pub(super) fn check(path: &str, text: &str) -> Vec<Complaint> {
    let Some(name) = path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml")) else {
        return Vec::new();
    };
    let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
        let what = format!("`{name}` has no place among the layers; give it one in xtask/src/tidy/layers.rs");
        return vec![Complaint { line: 1, what }];
    };
    let mut complaints = Vec::new();
    for (line, dependency) in dependencies(text) {
        let ours = LAYERS.iter().any(|(layer, _)| *layer == dependency);
        if ours && !allowed.contains(&dependency) {
            complaints.push(Complaint { line, what: format!("`{name}` may not depend on `{dependency}`") });
        }
    }
    complaints
}

/// Every dependency named in a manifest, with its line.
fn dependencies(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside = table.ends_with("dependencies");
            let (parent, name) = table.rsplit_once('.').unwrap_or(("", table));
            if parent.ends_with("dependencies") {
                found.push((index + 1, name.trim_matches('"')));
            }
        } else if inside && !line.starts_with('#') {
            found.extend(line.split(['.', '=', ' ']).next().map(|name| (index + 1, name.trim_matches('"'))));
        }
        if let Some((_, renamed)) = line.split_once("package = \"") {
            found.extend(renamed.split('"').next().map(|name| (index + 1, name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upward_import_trips_in_every_form() {
        for text in [
            "[dependencies]\npcmflow-io.workspace = true\n",
            "[dependencies]\npcmflow-io = { path = \"../pcmflow-io\" }\n",
            "[dev-dependencies.pcmflow-io]\nworkspace = true\n",
            "[target.'cfg(unix)'.dependencies]\npcmflow-io.workspace = true\n",
            "[dependencies]\nother = { package = \"pcmflow-io\", version = \"1\" }\n",
        ] {
            assert_eq!(check("crates/pcmflow-pitch/Cargo.toml", text).len(), 1, "{text}");
            assert!(check("crates/pcmflow/Cargo.toml", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn the_core_stands_alone_and_newcomers_are_asked_where_they_belong() {
        let text = "[package]\nname = \"pcmflow-core\"\n[dependencies]\n# pcmflow-io = \"1\"\nlibm.workspace = true\n";
        assert!(check("crates/pcmflow-core/Cargo.toml", text).is_empty());
        assert_eq!(check("crates/pcmflow-core/Cargo.toml", "[dependencies]\npcmflow-pitch = \"1\"").len(), 1);
        assert_eq!(check("crates/pcmflow-new/Cargo.toml", "").len(), 1);
        assert!(check("xtask/Cargo.toml", "[dependencies]\npcmflow-cli = \"1\"").is_empty());
    }
}
