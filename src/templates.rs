//! The one handlebars registry: strict, no escaping. Templates are part of the binary; a site's own override them
//! by the same name (issue 4).

use handlebars::Handlebars;
use serde::Serialize;

use crate::spec::Problem;

/// All templates, parsed.
pub struct Templates {
    registry: Handlebars<'static>,
}

impl Templates {
    /// The packaged templates.
    ///
    /// # Errors
    /// A template that does not parse, by name.
    pub fn packaged() -> Result<Self, Problem> {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(handlebars::no_escape);
        let mut templates = Self { registry };
        for (name, text) in PACKAGED {
            templates.add(name, text)?;
        }
        Ok(templates)
    }

    fn add(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        self.registry
            .register_template_string(name, text)
            .map_err(|e| Problem::error("template/parse", format!("template {name} does not parse: {e}")))
    }

    /// Renders template `name` (`dhcp/kea/kea-dhcp4.conf.hbs`) with `values`.
    ///
    /// # Errors
    /// An unknown template or a value that the template asks for and `values` does not have.
    pub fn render(&self, name: &str, values: &impl Serialize) -> Result<String, Problem> {
        self.registry.render(name, values).map_err(|e| {
            Problem::error("template/render", format!("template {name} cannot be rendered: {e}"))
        })
    }
}

/// Name under `templates/`, and text.
const PACKAGED: &[(&str, &str)] = &[];

/// Every packaged template, by its name under `templates/`, as `haoscar explain template` shows them.
pub fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    PACKAGED.iter().copied()
}
