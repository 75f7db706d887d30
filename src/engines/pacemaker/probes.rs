//! How a unit of ours is asked whether it serves: the probe that its resource has in the configuration.

use std::collections::BTreeMap;

use super::xml::Element;
use crate::engines::EngineDesired;

/// Shell commands by unit: exit status 0 where the unit that runs on that host serves. Units without one are left out.
pub fn probes(engine: &EngineDesired) -> BTreeMap<String, String> {
    let Ok(configuration) = Element::read(&engine.cib) else { return BTreeMap::new() };
    let primitives = configuration.walk().into_iter().filter(|element| element.name == "primitive");
    let of = |primitive: &Element| {
        let pairs = || primitive.walk().into_iter().filter(|element| element.name == "nvpair");
        let value =
            |name: &str| Some(pairs().find(|pair| pair.get("name") == Some(name))?.get("value")?.to_owned());
        Some((value("unit")?, value("probe")?))
    };
    primitives.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_with_a_probe_is_asked_by_it_in_a_clone_too() {
        let primitive = |id: &str, pairs: &str| {
            format!(
                "<primitive id=\"{id}\"><instance_attributes id=\"{id}-a\">{pairs}</instance_attributes></primitive>"
            )
        };
        let names = primitive(
            "names",
            "<nvpair id=\"1\" name=\"unit\" value=\"dnsmasq.service\"/><nvpair id=\"2\" name=\"probe\" value=\"ask &lt;it&gt;\"/>",
        );
        let address = primitive("address", "<nvpair id=\"3\" name=\"address\" value=\"10.0.0.1\"/>");
        let cib = format!(
            "<configuration><resources><clone id=\"c\">{names}</clone>{address}</resources></configuration>"
        );
        let engine = EngineDesired { cib, ..EngineDesired::default() };
        let wanted = BTreeMap::from([("dnsmasq.service".to_owned(), "ask <it>".to_owned())]);
        assert_eq!(probes(&engine), wanted);
        assert_eq!(probes(&EngineDesired::default()), BTreeMap::new());
    }
}
