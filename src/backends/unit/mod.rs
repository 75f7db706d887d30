//! Services of the site's own: any systemd unit, any OCF agent. haoscar writes no file for them.

use crate::backends::{Backend, Context, Part, Placement};
use crate::engines::{Carried, CarriedAs};
use crate::spec::{OcfService, OnStopFailure, Problem, UnitService};

/// Any systemd unit.
pub struct SystemdUnit;

/// Any OCF agent.
pub struct OcfAgent;

impl Backend for SystemdUnit {
    type Service = UnitService;

    fn name(&self) -> &'static str {
        "unit"
    }

    fn resolve(&self, service: &UnitService, context: &Context<'_>) -> Result<Part, Problem> {
        let url = service.check.as_ref().and_then(|check| check.http.as_ref());
        let address = context.group.1.addresses.values().next().map(ToString::to_string).unwrap_or_default();
        let timeout = service
            .check
            .as_ref()
            .and_then(|check| check.timeout)
            .map_or(2, |t| t.as_millis().div_ceil(1000));
        let probe = url.map(|url| {
            format!(
                "curl --silent --fail --max-time {timeout} --output /dev/null '{}'",
                url.replace("{address}", &address).replace('\'', "'\\''")
            )
        });
        let carried = Carried {
            fence_on_stop_failure: service.on_stop_failure == Some(OnStopFailure::Fence),
            recovery: service.recovery.clone(),
            ..Carried::moving(context.name, &service.unit, probe.as_deref())
        };
        let packages = url.map(|_| (Placement::Heads, "curl".to_owned())).into_iter().collect();
        Ok(Part { carried: vec![carried], packages, ..Part::default() })
    }
}

impl Backend for OcfAgent {
    type Service = OcfService;

    fn name(&self) -> &'static str {
        "ocf"
    }

    fn resolve(&self, service: &OcfService, context: &Context<'_>) -> Result<Part, Problem> {
        let carried = Carried {
            what: CarriedAs::Agent { agent: service.agent.clone(), parameters: service.parameters.clone() },
            fence_on_stop_failure: false,
            recovery: service.recovery.clone(),
            ..Carried::moving(context.name, "", None)
        };
        Ok(Part { carried: vec![carried], ..Part::default() })
    }
}
