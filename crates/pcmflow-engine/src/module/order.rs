//! The order of dependencies.

use super::ModuleError;
use crate::config::nearest;
use std::collections::BTreeSet;

/// The places of the modules in an order in which each comes after all that it depends on: of those that can be next, always
/// the one that was registered first.
pub(super) fn order(modules: &[(&str, &[String])]) -> Result<Vec<usize>, ModuleError> {
    let mut waits_for: Vec<BTreeSet<usize>> = Vec::with_capacity(modules.len());
    for (module, dependencies) in modules {
        let place = |dependency: &String| {
            modules.iter().position(|(name, _)| name == dependency).ok_or_else(|| {
                let others = modules.iter().map(|(name, _)| *name).filter(|name| name != module);
                ModuleError::UnknownDependency {
                    module: (*module).to_owned(),
                    dependency: dependency.clone(),
                    nearest: nearest(dependency, others).map(str::to_owned),
                }
            })
        };
        waits_for.push(dependencies.iter().map(place).collect::<Result<_, _>>()?);
    }
    let mut order = Vec::with_capacity(modules.len());
    let mut left: Vec<usize> = (0..modules.len()).collect();
    while !left.is_empty() {
        let ready = left.iter().position(|&module| waits_for[module].iter().all(|dep| order.contains(dep)));
        match ready {
            Some(at) => order.push(left.remove(at)),
            None => return Err(cycle(modules, &waits_for, &left)),
        }
    }
    Ok(order)
}

/// A circle among those that are left, each of which waits for another of them.
fn cycle(modules: &[(&str, &[String])], waits_for: &[BTreeSet<usize>], left: &[usize]) -> ModuleError {
    let mut path: Vec<usize> = Vec::new();
    let mut at = left.first().copied();
    while let Some(module) = at {
        let seen = path.iter().position(|&before| before == module);
        path.push(module);
        if let Some(first) = seen {
            path.drain(..first);
            break;
        }
        at = waits_for[module].iter().copied().find(|dependency| left.contains(dependency));
    }
    ModuleError::Cycle { path: path.into_iter().map(|module| modules[module].0.to_owned()).collect() }
}
