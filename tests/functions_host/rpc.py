"""FunctionRpc, the protocol between the Functions host and its worker, as a table; no generated code, no protoc.

Source: https://github.com/Azure/azure-functions-language-worker-protobuf (src/proto/FunctionRpc.proto).
Only what this host and Microsoft's Python runtime use of it is here.
"""

import re
from types import SimpleNamespace
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

PACKAGE = "AzureFunctionsRpcMessages"
SERVICE = f"{PACKAGE}.FunctionRpc"
METHOD = "EventStream"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]

# A message starts in the first column. A field is `type name=number`, `type[] name` is repeated, `key>value name`
# a map, `=number@group` a member of the oneof `group`.
_MESSAGES = """
StreamingMessage: string request_id=1, RpcLog rpc_log=2@content, InvocationRequest invocation_request=4@content,
    InvocationResponse invocation_response=5@content, FunctionLoadRequest function_load_request=8@content,
    FunctionLoadResponse function_load_response=9@content, WorkerStatusRequest worker_status_request=12@content,
    WorkerStatusResponse worker_status_response=13@content, WorkerTerminate worker_terminate=14@content,
    WorkerInitResponse worker_init_response=16@content, WorkerInitRequest worker_init_request=17@content,
    StartStream start_stream=20@content, FunctionsMetadataRequest functions_metadata_request=29@content,
    FunctionMetadataResponse function_metadata_response=30@content
StartStream: string worker_id=2
WorkerInitRequest: string host_version=1, string>string capabilities=2, string>RpcLog.Level log_categories=3,
    string worker_directory=4, string function_app_directory=5
WorkerInitResponse: string worker_version=1, string>string capabilities=2, StatusResult result=3,
    WorkerMetadata worker_metadata=4
WorkerMetadata: string runtime_name=1, string runtime_version=2, string worker_version=3, string worker_bitness=4,
    string>string custom_properties=5
StatusResult: string result=1, RpcException exception=2, RpcLog[] logs=3, StatusResult.Status status=4
WorkerTerminate: google.protobuf.Duration grace_period=1
WorkerStatusRequest:
WorkerStatusResponse:
FunctionLoadRequest: string function_id=1, RpcFunctionMetadata metadata=2, bool managed_dependency_enabled=3
FunctionLoadResponse: string function_id=1, StatusResult result=2, bool is_dependency_downloaded=3
RpcFunctionMetadata: string directory=1, string script_file=2, string entry_point=3, string name=4,
    string>BindingInfo bindings=6, bool is_proxy=7, StatusResult status=8, string language=9,
    string[] raw_bindings=10, string function_id=13, bool managed_dependency_enabled=14,
    RpcRetryOptions retry_options=15, string>string properties=16
FunctionsMetadataRequest: string function_app_directory=1
FunctionMetadataResponse: RpcFunctionMetadata[] function_metadata_results=1, StatusResult result=2,
    bool use_default_metadata_indexing=3
InvocationRequest: string invocation_id=1, string function_id=2, ParameterBinding[] input_data=3,
    string>TypedData trigger_metadata=4, RpcTraceContext trace_context=5, RetryContext retry_context=6
InvocationResponse: string invocation_id=1, ParameterBinding[] output_data=2, StatusResult result=3,
    TypedData return_value=4
RpcTraceContext: string trace_parent=1, string trace_state=2, string>string attributes=3
RetryContext: int32 retry_count=1, int32 max_retry_count=2, RpcException exception=3
TypedData: string string=1@data, string json=2@data, bytes bytes=3@data, bytes stream=4@data, RpcHttp http=5@data,
    sint64 int=6@data, double double=7@data, CollectionBytes collection_bytes=8@data,
    CollectionString collection_string=9@data, CollectionDouble collection_double=10@data,
    CollectionSInt64 collection_sint64=11@data
CollectionString: string[] string=1
CollectionBytes: bytes[] bytes=1
CollectionDouble: double[] double=1
CollectionSInt64: sint64[] sint64=1
ParameterBinding: string name=1, TypedData data=2@rpc_data, RpcSharedMemory rpc_shared_memory=3@rpc_data
RpcSharedMemory: string name=1, int64 offset=2, int64 count=3
BindingInfo: string type=2, BindingInfo.Direction direction=3, BindingInfo.DataType data_type=4,
    string>string properties=5
RpcLog: string invocation_id=1, string category=2, RpcLog.Level level=3, string message=4, string event_id=5,
    RpcException exception=6, string properties=7, RpcLog.RpcLogCategory log_category=8
RpcException: string stack_trace=1, string message=2, string source=3, bool is_user_exception=4, string type=5
RpcHttpCookie: string name=1, string value=2, NullableString domain=3, NullableString path=4,
    NullableTimestamp expires=5, NullableBool secure=6, NullableBool http_only=7,
    RpcHttpCookie.SameSite same_site=8, NullableDouble max_age=9
RpcHttp: string method=1, string url=2, string>string headers=3, TypedData body=4, string>string params=10,
    string status_code=12, string>string query=15, bool enable_content_negotiation=16, TypedData rawBody=17,
    RpcHttpCookie[] cookies=19, string>NullableString nullable_headers=20, string>NullableString nullable_params=21,
    string>NullableString nullable_query=22
RpcRetryOptions: int32 max_retry_count=2, google.protobuf.Duration delay_interval=3,
    google.protobuf.Duration minimum_interval=4, google.protobuf.Duration maximum_interval=5,
    RpcRetryOptions.RetryStrategy retry_strategy=6
NullableString: string value=1@string
NullableDouble: double value=1@double
NullableBool: bool value=1@bool
NullableTimestamp: google.protobuf.Timestamp value=1@timestamp
"""

# The values of an enum are numbered from 0.
_ENUMS = {
    "StatusResult.Status": "Failure Success Cancelled",
    "BindingInfo.Direction": "in out inout",
    "BindingInfo.DataType": "undefined string binary stream",
    "RpcLog.Level": "Trace Debug Information Warning Error Critical None",
    "RpcLog.RpcLogCategory": "User System CustomMetric",
    "RpcHttpCookie.SameSite": "None Lax Strict ExplicitNone",
    "RpcRetryOptions.RetryStrategy": "exponential_backoff fixed_delay",
}

_FIELD = re.compile(r"(?P<type>[\w.>]+)(?P<many>\[\])? (?P<name>\w+)=(?P<number>\d+)(@(?P<group>\w+))?")


def _set_type(field: FieldDescriptorProto, name: str) -> None:
    """Gives a field a scalar type, an enum or a message by its name in the table."""
    scalar = f"TYPE_{name.upper()}"
    if scalar in FieldDescriptorProto.Type.keys():  # noqa: SIM118 - no dict, only keys() tells names
        field.type = FieldDescriptorProto.Type.Value(scalar)
        return
    kind = FieldDescriptorProto.TYPE_ENUM if name in _ENUMS else FieldDescriptorProto.TYPE_MESSAGE
    field.type = kind
    field.type_name = f".{name}" if name.startswith("google.") else f".{PACKAGE}.{name}"


def _add_field(message: DescriptorProto, spec: re.Match[str]) -> None:
    """Adds one field of the table to its message."""
    name, kind = spec["name"], spec["type"]
    field = message.field.add(name=name, number=int(spec["number"]), label=FieldDescriptorProto.LABEL_OPTIONAL)
    if spec["many"] or ">" in kind:
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if ">" in kind:
        entry = message.nested_type.add(name="".join(map(str.capitalize, name.split("_"))) + "Entry")
        entry.options.map_entry = True
        for number, (part, part_kind) in enumerate(zip(("key", "value"), kind.split(">"), strict=True), 1):
            part_field = entry.field.add(name=part, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            _set_type(part_field, part_kind)
        kind = f"{message.name}.{entry.name}"
    _set_type(field, kind)
    if group := spec["group"]:
        groups = [oneof.name for oneof in message.oneof_decl]
        if group not in groups:
            message.oneof_decl.add(name=group)
            groups.append(group)
        field.oneof_index = groups.index(group)


def _file() -> FileDescriptorProto:
    """The table as protobuf describes a .proto file."""
    wanted = ["google/protobuf/duration.proto", "google/protobuf/timestamp.proto"]
    file = descriptor_pb2.FileDescriptorProto(name="rpc.proto", package=PACKAGE, syntax="proto3", dependency=wanted)
    for text in re.split(r"\n(?=\w)", _MESSAGES.strip()):
        name, fields = text.split(":", 1)
        message = file.message_type.add(name=name)
        for spec in _FIELD.finditer(fields):
            _add_field(message, spec)
        for enum, values in _ENUMS.items():
            if enum.startswith(f"{name}."):
                added = message.enum_type.add(name=enum.split(".")[1])
                for number, value in enumerate(values.split()):
                    added.value.add(name=value, number=number)
    return file


def _build() -> Any:
    """Every message class by its name: what Microsoft's runtime calls `protos`."""
    pool = descriptor_pool.DescriptorPool()
    for known in (duration_pb2, timestamp_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(_file().SerializeToString())
    described = pool.FindFileByName("rpc.proto").message_types_by_name
    return SimpleNamespace(**{name: message_factory.GetMessageClass(d) for name, d in described.items()})


messages: Any = _build()


def to_wire(message: Any) -> bytes:
    """One message as bytes."""
    wire: bytes = message.SerializeToString()
    return wire


def from_wire(wire: bytes) -> Any:
    """One message of the stream from its bytes."""
    return messages.StreamingMessage.FromString(wire)
