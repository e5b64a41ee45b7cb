//! What an export of a module can come to: everything that its calls may reach, by the module's own code.
//!
//! On the audio thread nothing may allocate, free, wait, panic or call what is not known beforehand. Nearly all of that shows in
//! instructions, whatever the functions are called: memory is had by `memory.grow` in the end, a panic traps by `unreachable`,
//! waiting and waking are instructions of their own, a call through a table could be anything, and an import is somebody else's code. Only
//! the allocator's functions are known by name, as freeing looks like anything else.
//!
//! Not seen: loops without end, accesses beyond the memory or the stack, and what runs when an instance is made (the Worker makes the
//! first, which fills the memory; others find that done).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wasmparser::{BinaryReaderError, ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef};

/// What the allocator's functions have in their names.
const ALLOCATOR: [&str; 4] = ["__rust_alloc", "__rust_dealloc", "__rust_realloc", "dlmalloc"];

/// Functions of a module, by number.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// How many are imported: those come first.
    imported: u32,
    bodies: Vec<Body>,
    exports: BTreeMap<String, u32>,
    names: BTreeMap<u32, String>,
}

#[derive(Debug, Default)]
struct Body {
    calls: BTreeSet<u32>,
    does: BTreeSet<&'static str>,
}

/// What an audio thread must not do, and the way there.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    does: &'static str,
    /// From the export on.
    way: Vec<String>,
}

impl Calls {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        Self::parse(bytes).map_err(|error| format!("this is no module: {error}"))
    }

    fn parse(bytes: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut calls = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        calls.imported +=
                            u32::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            calls.exports.insert(export.name.to_owned(), export.index);
                        }
                    }
                }
                Payload::CodeSectionEntry(code) => {
                    let mut body = Body::default();
                    for operator in code.get_operators_reader()? {
                        body.add(&operator?);
                    }
                    calls.bodies.push(body);
                }
                Payload::CustomSection(custom) => {
                    if let KnownCustom::Name(names) = custom.as_known() {
                        for name in names {
                            let Name::Function(functions) = name? else { continue };
                            for function in functions {
                                let function = function?;
                                calls.names.insert(function.index, function.name.to_owned());
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(calls)
    }

    /// How many functions `export` can come to, when an audio thread may call them all.
    pub(super) fn check(&self, export: &str) -> Result<usize, String> {
        if self.names.is_empty() {
            return Err("the module has no names of functions, so its allocator can't be told".into());
        }
        let (violations, reached) = self.reach(export)?;
        let Some(first) = violations.first() else { return Ok(reached) };
        let (does, way, more) = (first.does, first.way.join(" -> "), violations.len() - 1);
        Err(format!("`{export}`, which the audio thread calls, {does}: {way} (and {more} more)"))
    }

    /// Everything forbidden that `export` can come to, each with a shortest way, and how many functions it can come to at all.
    fn reach(&self, export: &str) -> Result<(Vec<Violation>, usize), String> {
        let start = *self.exports.get(export).ok_or(format!("the module does not export `{export}`"))?;
        let (mut came_from, mut next) = (BTreeMap::from([(start, start)]), VecDeque::from([start]));
        let mut violations = Vec::new();
        while let Some(function) = next.pop_front() {
            let body = function.checked_sub(self.imported).and_then(|index| self.bodies.get(index as usize));
            let Some(body) = body else {
                violations.push(Violation { does: "calls an import", way: self.way(&came_from, function) });
                continue;
            };
            if self
                .names
                .get(&function)
                .is_some_and(|name| ALLOCATOR.iter().any(|known| name.contains(known)))
            {
                violations
                    .push(Violation { does: "allocates or frees", way: self.way(&came_from, function) });
            }
            violations.extend(
                body.does.iter().map(|&does| Violation { does, way: self.way(&came_from, function) }),
            );
            for &called in &body.calls {
                came_from.entry(called).or_insert_with(|| {
                    next.push_back(called);
                    function
                });
            }
        }
        Ok((violations, came_from.len()))
    }

    fn way(&self, came_from: &BTreeMap<u32, u32>, function: u32) -> Vec<String> {
        let mut way = Vec::new();
        let mut at = function;
        loop {
            way.insert(0, self.names.get(&at).cloned().unwrap_or_else(|| format!("function {at}")));
            match came_from.get(&at) {
                Some(&before) if before != at => at = before,
                _ => return way,
            }
        }
    }
}

impl Body {
    fn add(&mut self, operator: &Operator<'_>) {
        let does = match operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                self.calls.insert(*function_index);
                return;
            }
            Operator::CallIndirect { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::CallRef { .. }
            | Operator::ReturnCallRef { .. } => "calls through a table",
            Operator::MemoryGrow { .. } | Operator::TableGrow { .. } => "grows memory",
            Operator::Unreachable => "traps, as a panic does",
            Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. } => "waits",
            Operator::MemoryAtomicNotify { .. } => "wakes",
            _ => return,
        };
        self.does.insert(does);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [&[id, content.len() as u8], content].concat()
    }

    /// A module of functions without arguments; the last is exported as `push`.
    fn module(bodies: &[&[u8]]) -> Vec<u8> {
        let count = bodies.len() as u8;
        let code = bodies.iter().flat_map(|body| [&[body.len() as u8 + 2, 0], *body, &[0x0b]].concat());
        let code: Vec<u8> = std::iter::once(count).chain(code).collect();
        let functions: Vec<u8> = std::iter::once(count).chain(bodies.iter().map(|_| 0)).collect();
        let sections = [
            section(1, &[1, 0x60, 0, 0]),
            section(3, &functions),
            section(4, &[1, 0x70, 0, 1]),
            section(5, &[1, 0, 1]),
            section(7, &[[1, 4].as_slice(), b"push", &[0, count - 1]].concat()),
            section(10, &code),
        ];
        [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
    }

    /// `call` of this function.
    const fn call(function: u8) -> [u8; 2] {
        [0x10, function]
    }

    /// The module, with a name for its function 0.
    fn named(module: &[u8], name: &str) -> Vec<u8> {
        let length = name.len() as u8;
        let functions = [&[1, length + 3, 1, 0, length], name.as_bytes()].concat();
        [module, &section(0, &[b"\x04name".to_vec(), functions].concat())].concat()
    }

    #[test]
    fn the_allocator_is_known_by_its_name() {
        let bytes = module(&[&[0x01], &call(0)]);
        let check = |bytes: &[u8]| Calls::read(bytes).unwrap().check("push");
        assert_eq!(check(&named(&bytes, "store")), Ok(2));
        let freed = check(&named(&bytes, "_R7___rustc14___rust_dealloc")).unwrap_err();
        assert!(freed.contains("allocates or frees: function 1 -> _R7___rustc14___rust_dealloc"), "{freed}");
        // Without names it would be one function among others.
        assert!(check(&bytes).is_err());
    }

    #[test]
    fn an_import_is_somebody_elses() {
        let import = section(2, b"\x01\x03env\x03now\0\0");
        // Behind the import, which is function 0, the module's own is 1, and what is exported is the import.
        let bytes = module(&[&call(0)]);
        let at = bytes.windows(2).position(|bytes| bytes == [3, 2]).unwrap();
        let bytes = [&bytes[..at], &import, &bytes[at..]].concat();
        let (violations, _) = Calls::read(&bytes).unwrap().reach("push").unwrap();
        assert_eq!(violations, [Violation { does: "calls an import", way: vec!["function 0".into()] }]);
    }

    #[test]
    fn what_only_others_can_come_to_is_no_violation() {
        let bytes = module(&[&[0x00], &[0x01], &call(1)]);
        assert_eq!(Calls::read(&bytes).unwrap().reach("push"), Ok((Vec::new(), 2)));
        assert!(Calls::read(&bytes).unwrap().reach("pull").is_err());
    }

    #[test]
    fn each_seeded_violation_is_found_with_its_way() {
        let seeds: [(&[u8], &str); 4] = [
            (&[0x00], "traps, as a panic does"),
            // One page more, and the result thrown away.
            (&[0x41, 1, 0x40, 0, 0x1a], "grows memory"),
            (&[0x41, 0, 0x11, 0, 0], "calls through a table"),
            (&[0x41, 0, 0x41, 1, 0xfe, 0x00, 2, 0, 0x1a], "wakes"),
        ];
        for (seed, does) in seeds {
            // Two calls away, behind a loop of calls.
            let bytes = module(&[seed, &[call(0), call(2)].concat(), &call(1)]);
            let (violations, reached) = Calls::read(&bytes).unwrap().reach("push").unwrap();
            let way = ["function 2", "function 1", "function 0"].map(str::to_owned).to_vec();
            assert_eq!((violations, reached), (vec![Violation { does, way }], 3));
        }
    }
}
