//! Fence devices of a compiled configuration, and whom each switches. It must not say how one is asked.

use super::watchdog;
use super::xml::Element;
use crate::desired::HostName;

/// Each device that another member asks, with the members that it switches: a watchdog is nobody's to ask.
pub fn asked_devices(cib: &str) -> Vec<(String, Vec<HostName>)> {
    fence_devices(cib).into_iter().filter(|(id, _)| id != watchdog::DEVICE).collect()
}

/// Each device with the members that it switches, in order of the configuration.
pub fn fence_devices(cib: &str) -> Vec<(String, Vec<HostName>)> {
    let Ok(configuration) = Element::read(cib) else { return Vec::new() };
    let all = configuration.walk();
    let devices = all.iter().filter(|e| e.name == "primitive" && e.get("class") == Some("stonith"));
    devices.map(|device| (device.id().to_owned(), targets(device))).collect()
}

fn targets(device: &Element) -> Vec<HostName> {
    let list = |e: &&Element| e.name == "nvpair" && e.get("name") == Some("pcmk_host_list");
    let value = device.walk().into_iter().find(list).and_then(|e| e.get("value")).unwrap_or_default();
    value.split([' ', ',', ';']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_with_whom_it_switches() {
        let cib = r#"<configuration><resources>
            <primitive id="control-address" class="ocf"/>
            <primitive id="fence-head-1" class="stonith" type="fence_ipmilan"><instance_attributes id="a">
              <nvpair id="a-1" name="ip" value="10.20.1.1"/>
              <nvpair id="a-2" name="pcmk_host_list" value="head-1"/>
            </instance_attributes></primitive></resources></configuration>"#;
        assert_eq!(fence_devices(cib), [("fence-head-1".to_owned(), vec!["head-1".to_owned()])]);
        let cib = cib.replace("fence-head-1", "watchdog");
        assert_eq!((fence_devices(&cib).len(), asked_devices(&cib)), (1, Vec::new()));
        assert_eq!(fence_devices(""), []);
    }
}
