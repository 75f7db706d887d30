"""The same three lists by PyYAML's C loader and jinja2, for two heads: beside benches/scale/main.rs."""

import csv
import ipaddress
import os
import resource
import sys
import time

import jinja2
import yaml

begin, cpu = time.perf_counter(), time.process_time()
folder = sys.argv[1]
with open(os.path.join(folder, "cluster.yaml")) as text:
    tree = yaml.load(text, yaml.CSafeLoader)
nodes = []
for name, node in tree["nodes"].items():
    nic = node["nics"]["eno1"]
    if isinstance(nic["macs"], list):
        nodes.append({"name": name, "mac": nic["macs"][0], "address": nic["address"]})
        continue
    first = int(ipaddress.ip_address(nic["address"].rstrip("+")))
    with open(os.path.join(folder, nic["macs"])) as text:
        for number, row in enumerate(csv.DictReader(text)):
            address = str(ipaddress.ip_address(first + number))
            nodes.append({"name": row["name"], "mac": row["mac"], "address": address})
TEMPLATES = {
    "kea.conf": '{% for n in nodes %}{ "hw-address": "{{ n.mac }}", "ip-address": "{{ n.address }}", "hostname": "{{ n.name }}" },\n{% endfor %}',
    "hosts": "{% for n in nodes %}{{ n.address }} {{ n.name }}.{{ domain }} {{ n.name }}\n{% endfor %}",
    "slurm.conf": "{% for n in nodes %}NodeName={{ n.name }} NodeAddr={{ n.address }}\n{% endfor %}",
}
environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
for head in tree["heads"]:
    os.makedirs(os.path.join(folder, "out", head), exist_ok=True)
    for name, template in TEMPLATES.items():
        rendered = environment.from_string(template).render(nodes=nodes, domain=tree["domain"])
        with open(os.path.join(folder, "out", head, name), "w") as out:
            out.write(rendered)
wall, cpu = (time.perf_counter() - begin) * 1e3, (time.process_time() - cpu) * 1e3
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"| {wall:.0f} | {cpu:.0f} | {peak:.0f} | 6 files |")
