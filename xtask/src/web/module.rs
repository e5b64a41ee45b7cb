//! Reads a module: what it imports and exports, and what of it need not be shipped.

use std::collections::BTreeMap;
use std::ops::Range;
use wasmparser::{BinaryReaderError, MemoryType, Operator, Parser, Payload, TypeRef};

/// What the module's `exports.rs` gives each thread for its own variables, and their alignment.
const TLS_BYTES_MAX: i32 = 4_096;
const TLS_ALIGN_MAX: i32 = 64;
const PAGE_BYTES: u64 = 65_536;

/// What every build exports.
const EXPORTS: [&str; 17] = [
    "pcmflow_abi",
    "pcmflow_in",
    "pcmflow_out",
    "pcmflow_open",
    "pcmflow_stream",
    "pcmflow_stream_end",
    "pcmflow_poll",
    "pcmflow_events",
    "pcmflow_snapshot",
    "pcmflow_command",
    "pcmflow_config",
    "pcmflow_close",
    "pcmflow_push",
    "pcmflow_pushed",
    "pcmflow_panic",
    "pcmflow_panic_text",
    "pcmflow_thread",
];

/// What a build must have.
#[derive(Debug)]
pub(super) struct Expected {
    /// The memory that it imports, in bytes, at first and at most; none where it has its own.
    pub(super) shared_memory: Option<(u64, u64)>,
    /// Exports beside those of every build.
    pub(super) also: &'static [&'static str],
}

/// A module that was built.
#[derive(Debug)]
pub(super) struct Module<'a> {
    bytes: &'a [u8],
    /// What is imported, as `module.name`, with the memory's type where it is one.
    imports: Vec<(String, Option<MemoryType>)>,
    /// What is exported, with the constant where it is a global that has one.
    exports: BTreeMap<String, Option<i32>>,
    /// Where custom sections stand: names, and who made it.
    custom: Vec<Range<usize>>,
}

impl<'a> Module<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        Self::parse(bytes).map_err(|error| format!("this is no module: {error}"))
    }

    fn parse(bytes: &'a [u8]) -> Result<Self, BinaryReaderError> {
        let mut module = Self { bytes, imports: Vec::new(), exports: BTreeMap::new(), custom: Vec::new() };
        let mut globals = Vec::new();
        let mut end = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            match &payload {
                Payload::ImportSection(imports) => {
                    for import in imports.clone().into_imports() {
                        let import = import?;
                        let memory = match import.ty {
                            TypeRef::Memory(memory) => Some(memory),
                            TypeRef::Global(_) => {
                                globals.push(None);
                                None
                            }
                            _ => None,
                        };
                        module.imports.push((format!("{}.{}", import.module, import.name), memory));
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section.clone() {
                        let first = global?.init_expr.get_operators_reader().read()?;
                        globals.push(match first {
                            Operator::I32Const { value } => Some(value),
                            _ => None,
                        });
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports.clone() {
                        let export = export?;
                        let value = match export.kind {
                            wasmparser::ExternalKind::Global => {
                                globals.get(export.index as usize).copied().flatten()
                            }
                            _ => None,
                        };
                        module.exports.insert(export.name.to_owned(), value);
                    }
                }
                Payload::CustomSection(custom) => module.custom.push(end..custom.range().end as usize),
                _ => {}
            }
            if let Some((_, range)) = payload.as_section() {
                end = range.end as usize;
            } else if let Payload::Version { range, .. } = &payload {
                end = range.end as usize;
            }
        }
        Ok(module)
    }

    /// Whether it has what the host expects, and nothing that it does not.
    pub(super) fn check(&self, expected: &Expected) -> Result<(), String> {
        for name in EXPORTS.iter().chain(expected.also) {
            if !self.exports.contains_key(*name) {
                return Err(format!("the module does not export `{name}`"));
            }
        }
        let names: Vec<&str> = self.imports.iter().map(|(name, _)| name.as_str()).collect();
        let Some((first, most)) = expected.shared_memory else {
            return match names.as_slice() {
                [] => Ok(()),
                names => Err(format!("the module imports {}, and should need nothing", names.join(", "))),
            };
        };
        let [(name, Some(memory))] = self.imports.as_slice() else {
            return Err(format!(
                "the module imports {}, and should need `env.memory` alone",
                names.join(", ")
            ));
        };
        let pages = (memory.initial, memory.maximum);
        if name != "env.memory" || !memory.shared || pages != (first / PAGE_BYTES, Some(most / PAGE_BYTES)) {
            return Err(format!("the module's memory is `{name}`, {memory:?}; the host makes another"));
        }
        for (name, most) in [("__tls_size", TLS_BYTES_MAX), ("__tls_align", TLS_ALIGN_MAX)] {
            match self.exports.get(name).copied().flatten() {
                Some(value) if value <= most => {}
                value => return Err(format!("`{name}` is {value:?}, and there is room for {most}")),
            }
        }
        Ok(())
    }

    /// The module without its custom sections: what is shipped.
    pub(super) fn without_names(&self) -> Vec<u8> {
        let mut kept = Vec::with_capacity(self.bytes.len());
        let mut at = 0;
        for custom in &self.custom {
            kept.extend_from_slice(&self.bytes[at..custom.start]);
            at = custom.end;
        }
        kept.extend_from_slice(&self.bytes[at..]);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section: its number, its length, its content.
    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [&[id, content.len() as u8], content].concat()
    }

    fn module(sections: &[Vec<u8>]) -> Vec<u8> {
        [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
    }

    #[test]
    fn names_are_left_out_wherever_they_stand() {
        let memory = section(5, &[1, 0, 1]);
        let custom = section(0, b"\x04name-and-more");
        let bytes = module(&[custom.clone(), memory.clone(), custom.clone(), custom]);
        assert_eq!(Module::read(&bytes).unwrap().without_names(), module(&[memory]));
        assert!(Module::read(b"no module").is_err());
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_told() {
        let plain = Expected { shared_memory: None, also: &["memory"] };
        let bytes = module(&[]);
        assert!(Module::read(&bytes).unwrap().check(&plain).unwrap_err().contains("pcmflow_abi"));
        let mut module =
            Module { bytes: &[], imports: Vec::new(), exports: BTreeMap::new(), custom: Vec::new() };
        module.exports = EXPORTS.iter().chain(plain.also).map(|name| ((*name).to_owned(), None)).collect();
        assert_eq!(module.check(&plain), Ok(()));
        module.imports = vec![("env.now".into(), None)];
        assert!(module.check(&plain).unwrap_err().contains("env.now"));
        let shared = Expected { shared_memory: Some((PAGE_BYTES, 2 * PAGE_BYTES)), also: &[] };
        let memory =
            MemoryType { memory64: false, shared: true, initial: 1, maximum: Some(2), page_size_log2: None };
        module.imports = vec![("env.memory".into(), Some(memory))];
        assert!(module.check(&shared).unwrap_err().contains("__tls_size"));
        module.exports.extend([("__tls_size".into(), Some(40)), ("__tls_align".into(), Some(8))]);
        assert_eq!(module.check(&shared), Ok(()));
        module.exports.insert("__tls_size".into(), Some(TLS_BYTES_MAX + 1));
        assert!(module.check(&shared).unwrap_err().contains("there is room for 4096"));
        module.imports = vec![("env.memory".into(), Some(MemoryType { maximum: Some(3), ..memory }))];
        assert!(module.check(&shared).unwrap_err().contains("env.memory"));
    }
}
