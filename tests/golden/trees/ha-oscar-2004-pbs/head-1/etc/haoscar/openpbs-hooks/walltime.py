# made by haoscar from templates/scheduler/openpbs/hook.py.hbs: change the spec, not this file
import pbs
job = pbs.event().job
if job.Resource_List["walltime"] is None:
    job.Resource_List["walltime"] = pbs.duration("01:00:00")
