"""A request to the lab as its service's model reads it: the operation by name, and its parameters as they were given.

`called` tells cheaply what is counted; here a request is read in full, which takes a millisecond, and only while
somebody wants to know what it may do.
"""

from __future__ import annotations

import io
from typing import Any, NamedTuple

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from drctl.lab.called import Call, Environ, whole_body

#: What the SDK calls services whose name in a signature is another.
MODELS = {"elasticloadbalancing": "elbv2", "monitoring": "cloudwatch", "servicequotas": "service-quotas",
          "tagging": "resourcegroupstaggingapi"}
#: Operations whose body is a thing of the user's, not parameters.
_BODY_IS_CONTENT = frozenset({"PutObject", "UploadPart", "Invoke"})


class ApiRequest(NamedTuple):
    """One request: region of its signature, service and operation as the SDK names them, and its parameters."""

    region: str
    service: str
    operation: str
    params: dict[str, Any]


def read(call: Call, environ: Environ) -> ApiRequest | None:
    """The request, which can still be read afterwards; None when it is not signed or no service's model knows it."""
    service = MODELS.get(call.service, call.service)
    if not service:
        return None
    body = whole_body(environ)
    request = Request({**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
    try:
        return _read(call, service, request)
    finally:
        environ["wsgi.input"] = io.BytesIO(body)


def _read(call: Call, service: str, request: Request) -> ApiRequest | None:
    model = get_service_model(service)
    protocol = determine_request_protocol(model, request.content_type)
    bound: Any = {}
    if protocol.startswith("rest-"):
        try:
            operation, bound = get_service_router(service).match(request)
        except (HTTPException, NotImplementedError):
            return None
    elif call.operation in model.operation_names:
        operation = model.operation_model(call.operation)
    else:
        return None
    content = operation.name in _BODY_IS_CONTENT
    params = PROTOCOL_PARSERS[protocol](operation).parse({
        "method": request.method, "values": request.values, "headers": request.headers,
        "body": b"" if content else request.data, "url_path": request.path, "url_params": bound})
    return ApiRequest(call.region, service, operation.name, dict(params))
