//! Marks what is otherwise than in the file.

use std::collections::HashSet;

use super::views;
use crate::config::{Difference, DifferenceKind};

/// Marks the services and backends that these differences are about.
pub(super) fn mark(services: &mut [views::Service], differences: &[Difference]) {
    if differences.is_empty() {
        return;
    }
    let of = |kind| {
        let these = differences.iter().filter(move |one| one.kind == kind);
        these.map(|one| &*one.name).collect::<HashSet<&str>>()
    };
    let (marked, backends) = (of(DifferenceKind::Service), of(DifferenceKind::Backend));
    for service in services {
        service.unlike_file = marked.contains(&*service.name);
        for backend in &mut service.backends {
            let name = format!("{}/{}", service.name, backend.name);
            backend.unlike_file = backends.contains(&*name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::views::samples;

    #[test]
    fn what_differs_is_marked_and_nothing_else() {
        let difference = |kind, name: &str| Difference {
            kind,
            name: name.to_owned(),
            key: Some("weight".to_owned()),
            old: None,
            new: None,
        };
        let differences = [
            difference(DifferenceKind::Service, "dns"),
            difference(DifferenceKind::Backend, "web/web2"),
            difference(DifferenceKind::Setting, "web"),
        ];
        let mut services = samples::services();
        mark(&mut services, &differences);
        let of = |one: &views::Service| {
            let backends = one.backends.iter().map(|backend| backend.unlike_file);
            (one.unlike_file, backends.collect::<Vec<_>>())
        };
        let marks: Vec<_> = services.iter().map(of).collect();
        assert_eq!(marks, [(false, vec![false, true]), (true, vec![])]);
    }
}
