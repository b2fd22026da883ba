"""Rules about the network of each region and the way between them."""

from __future__ import annotations

from drctl.readiness.rule import Owns, Rule
from drctl.steps.endpoints import Endpoints
from drctl.steps.flow_logs import FlowLogs
from drctl.steps.nat import Nat
from drctl.steps.network import Network
from drctl.steps.peering import Peering
from drctl.steps.peering_routes import PeeringRoutes
from drctl.steps.role import Role
from drctl.steps.route_tables import RouteTables
from drctl.steps.security_groups import SecurityGroups
from drctl.steps.subnets import Subnets

RULES: tuple[Rule, ...] = (
    Owns(id="NET-01", of=(Network,), blocks=True, must="a network with an internet gateway stands in each region",
         why="everything else of the region lies in it"),
    Owns(id="NET-02", of=(Network,), words=r"DNS support or DNS hostnames", blocks=True,
         must="DNS support and hostnames are on", why="without them functions find neither endpoints nor the database"),
    Owns(id="NET-03", of=(Network,), words=r"is not attached", blocks=True, must="the internet gateway is attached",
         why="the balancer is reached by it"),
    Owns(id="NET-04", of=(Subnets,), blocks=True, must="the subnets lie in as many zones as configured",
         why="a region that takes over in one zone is lost with that zone"),
    Owns(id="NET-05", of=(RouteTables,), blocks=True, must="each subnet uses its own route table",
         why="functions or database of the region are cut off otherwise"),
    Owns(id="NET-06", of=(RouteTables,), words=r"no working route to the internet gateway", blocks=True,
         must="the public subnets lead to the internet gateway", why="the balancer is reached over them"),
    Owns(id="NET-07", of=(Peering,), must="the peering between the regions is active on both sides",
         why="until it is, the app of one region does not reach the database of the other one"),
    Owns(id="NET-08", of=(Peering,), words=r"does not resolve names", must="names are resolved over the peering",
         why="a host name of the other region leads to a public address, or to none"),
    Owns(id="NET-09", of=(PeeringRoutes,), must="every table leads to the other region over the peering",
         why="one route that is missing cuts one kind of subnet off, one way, and nobody notices until it is needed"),
    Owns(id="NET-10", of=(SecurityGroups,), blocks=True, must="the security groups stand",
         why="balancer, app and database are reached by what they admit"),
    Owns(id="NET-11", of=(SecurityGroups,), words=r"does not allow", blocks=True,
         must="the security groups admit what the stack needs",
         why="the region looks healthy until users, checkers or the app are let in by nobody"),
    Owns(id="NET-12", of=(SecurityGroups,), words=r"which nobody asked for",
         must="the security groups admit nobody else", why="who opened a region in a hurry has to close it again"),
    Owns(id="NET-13", of=(Endpoints,), blocks=True, must="the VPC endpoints that are needed stand and are available",
         why="functions reach secrets, keys and events over them"),
    Owns(id="NET-14", of=(Endpoints,), words=r"is not as it should be", blocks=True,
         must="the endpoints lie in the right subnets, groups and tables, with private DNS",
         why="an endpoint that answers in the wrong place does not answer"),
    Owns(id="NET-15", of=(Nat,), blocks=True, must="the way out by NAT is as configured",
         why="with NAT chosen, functions reach AWS over it alone"),
    Owns(id="NET-16", of=(FlowLogs,), must="flow logs are delivered and kept",
         why="after an outage they tell who could reach whom"),
    Owns(id="NET-17", of=(Role,), purposes=("flow-logs",), must="the flow logs' role may deliver them",
         why="flow logs are dropped silently without it"),
    Owns(id="NET-18", of=(Endpoints,), words=r"no longer needed", must="no endpoint is left of former settings",
         why="it costs money, and answers for a name that leads elsewhere now"),
)
