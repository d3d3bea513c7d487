//! Clients of persistent services, and the backends that they have.

use std::io::{self, Write};

use super::minutes;
use crate::control::views::Template;

/// The head of what [`templates`] prints page by page.
pub(in crate::cli) fn templates_head(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "expire state   client             service          backend          address"
    )
}

/// Each client in its own line, with the time that is left for it to come again.
pub(in crate::cli) fn templates(out: &mut impl Write, templates: &[Template]) -> io::Result<()> {
    for template in templates {
        writeln!(
            out,
            "{:<6} {:<7} {:<18} {:<16} {:<16} {}",
            minutes(template.expires_ms),
            template.state,
            format!("{}/{}", template.client, template.mask),
            template.service,
            template.backend,
            template.address,
        )?;
    }
    Ok(())
}
