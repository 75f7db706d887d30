//! A restart as Pacemaker makes it by itself: a parameter that the agent does not look at has another value, so the resource is
//! stopped and started in one transition.
//!
//! `crm_resource --restart` sets the target role to Stopped, looks each two seconds whether that has come about, and sets it back:
//! 2.04 s without the service where this takes 0.08 s (dhcp in the lab), and whoever is killed in between leaves it stopped.

use super::EngineError;
use super::back::next_epoch;
use super::xml::Element;

/// The set of the one parameter, after the resource's id.
const SET: &str = "-again";

/// Whether this child of `parent` only says when it was restarted last.
pub(super) fn is_again(parent: &Element, child: &Element) -> bool {
    child.name == "instance_attributes" && child.id().strip_suffix(SET) == Some(parent.id())
}

/// What an older form of our resources says of its last restarts goes on being said by the new one: to forget it would restart
/// it.
pub(super) fn keep(old: &[Element], new: &mut [Element]) {
    let known: Vec<_> = old.iter().flat_map(Element::walk).collect();
    new.iter_mut().for_each(|element| keep_in(&known, element));
}

fn keep_in(known: &[&Element], element: &mut Element) {
    element.children.iter_mut().for_each(|child| keep_in(known, child));
    if element.name == "primitive" {
        let twin = known.iter().find(|old| old.name == "primitive" && old.id() == element.id());
        let said = twin.into_iter().flat_map(|old| old.children.iter().filter(|child| is_again(old, child)));
        let said: Vec<_> = said.cloned().collect();
        element.children.extend(said);
    }
}

/// The current CIB with another value of that parameter, and the next epoch. `token`: any text that it has not had.
///
/// # Errors
/// A CIB that cannot be read, or without this primitive.
pub fn again(current: &str, resource: &str, token: &str) -> Result<String, EngineError> {
    let mut cib = Element::read(current)?;
    next_epoch(&mut cib);
    let resources = cib.child_mut("configuration").child_mut("resources");
    let found = primitive(resources, resource).ok_or(EngineError::Missing("the resource to restart"))?;
    let parent = found.clone();
    found.children.retain(|child| !is_again(&parent, child));
    let pair = Element::new("nvpair").with("id", format!("{resource}{SET}-at"));
    let pair = pair.with("name", "again").with("value", token);
    found
        .children
        .push(Element::new("instance_attributes").with("id", format!("{resource}{SET}")).holding([pair]));
    Ok(cib.write())
}

fn primitive<'a>(element: &'a mut Element, id: &str) -> Option<&'a mut Element> {
    if element.name == "primitive" && element.id() == id {
        return Some(element);
    }
    element.children.iter_mut().find_map(|child| primitive(child, id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::EngineDesired;
    use crate::engines::pacemaker::{changes, merged};

    const EMPTY: &str = r#"<cib epoch="4" num_updates="2"><configuration><crm_config/><nodes/><resources/><constraints/></configuration></cib>"#;

    fn engine(unit: &str) -> EngineDesired {
        let cib = format!(
            r#"<configuration><crm_config><cluster_property_set id="cib-bootstrap-options"/></crm_config><resources><clone id="c" description="made by haoscar"><primitive id="names" description="made by haoscar"><instance_attributes id="names-parameters"><nvpair id="u" name="unit" value="{unit}"/></instance_attributes></primitive></clone></resources><constraints/></configuration>"#
        );
        EngineDesired { cib, ..EngineDesired::default() }
    }

    #[test]
    fn a_restart_is_no_difference_and_is_remembered_over_a_change() {
        let live = merged(&engine("a"), EMPTY).unwrap().cib;
        let once = again(&live, "names", "1").unwrap();
        let twice = again(&once, "names", "2").unwrap();
        assert!(
            once.contains("value=\"1\"") && !twice.contains("value=\"1\"") && twice.contains("value=\"2\"")
        );
        assert_eq!(changes(&engine("a"), &twice).unwrap(), []);
        let other = merged(&engine("b"), &twice).unwrap().cib;
        assert!(other.contains("value=\"b\"") && other.contains("value=\"2\""), "{other}");
        assert!(again(&live, "dhcp", "1").is_err());
    }
}
