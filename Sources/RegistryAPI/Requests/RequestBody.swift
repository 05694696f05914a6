import NIOCore
import Registry
import RegistryModel

/// Reads bodies into checked commands.
enum RequestBody {
    /// One registration, of the instance that the path names.
    static func registration(_ body: ByteBuffer, key: InstanceKey) throws(RegistryModelError) -> Command {
        let registration = try parse(body) { (reader) throws(RegistryModelError) in
            try Registration(from: &reader, key: key)
        }
        return .register(registration)
    }

    /// Many registrations, a JSON array or NDJSON: each is a command or its own error.
    ///
    /// - Throws: where the array itself is broken, so that nothing of it can be trusted.
    static func registrations(
        _ body: ByteBuffer
    ) throws(RegistryModelError) -> [Result<Command, RegistryModelError>] {
        var results: [Result<Command, RegistryModelError>] = []
        if body.readableBytesView.first(where: { !isWhitespace($0) }) == UInt8(ascii: "[") {
            try parse(body) { (reader) throws(RegistryModelError) in
                try reader.array { (reader) throws(RegistryModelError) in
                    let command = try reader.takeOrSkip { (reader) throws(RegistryModelError) in
                        Command.register(try Registration(from: &reader, key: nil))
                    }
                    results.append(command)
                }
            }
        } else {
            body.withUnsafeReadableBytes { bytes in
                for line in bytes.split(separator: UInt8(ascii: "\n")) {
                    let line = UnsafeRawBufferPointer(rebasing: line)
                    if !line.allSatisfy(isWhitespace) { results.append(one(line)) }
                }
            }
        }
        return results
    }

    static func heartbeats(_ body: ByteBuffer) throws(RegistryModelError) -> [Heartbeat] {
        var heartbeats: [Heartbeat] = []
        try parse(body) { (reader) throws(RegistryModelError) in
            try reader.array { (reader) throws(RegistryModelError) in
                guard heartbeats.count < RequestLimits.heartbeats else {
                    throw reader.malformed("more than \(RequestLimits.heartbeats) heartbeats")
                }
                heartbeats.append(try heartbeat(&reader))
            }
        }
        return heartbeats
    }

    static func policy(_ body: ByteBuffer) throws(RegistryModelError) -> MeshPolicy {
        try parse(body) { (reader) throws(RegistryModelError) in try MeshPolicy(from: &reader) }
    }

    private static let heartbeatMembers = ["service", "id", "status", "detail", "etag"]

    private static func heartbeat(_ json: inout JSONReader) throws(RegistryModelError) -> Heartbeat {
        var service: ServiceName?
        var id: InstanceID?
        var status: Health?
        var detail = ""
        var tag: IncarnationTag?
        try json.object { (reader, name) throws(RegistryModelError) in
            switch name {
            case "service": service = try ServiceName(try reader.string())
            case "id": id = try InstanceID(try reader.string())
            case "status":
                let text = try reader.string()
                guard let health = Health(text), health != .draining else {
                    throw RegistryModelError(
                        .invalidField,
                        "status \(text.prefix(40)) is none of starting, healthy, degraded, unhealthy"
                    )
                }
                status = health
            case "detail": detail = try reader.boundedDetail()
            case "etag":
                let text = try reader.string()
                guard let parsed = IncarnationTag(text) else {
                    throw RegistryModelError(.invalidField, "etag \(text.prefix(60)) is none of this registry's")
                }
                tag = parsed
            default: throw Registration.unknownMember(name, among: heartbeatMembers)
            }
        }
        guard let service, let id else {
            throw RegistryModelError(.missingField, "a heartbeat needs service and id")
        }
        return Heartbeat(
            key: InstanceKey(service: service, id: id),
            status: status,
            detail: detail,
            ifMatch: tag
        )
    }

    private static func one(_ bytes: UnsafeRawBufferPointer) -> Result<Command, RegistryModelError> {
        do throws(RegistryModelError) {
            let registration = try JSONReader.parse(bytes) { (reader) throws(RegistryModelError) in
                try Registration(from: &reader, key: nil)
            }
            return .success(.register(registration))
        } catch {
            return .failure(error)
        }
    }

    /// Reads the whole body as one JSON document.
    static func parse<R>(
        _ body: ByteBuffer,
        _ read: (inout JSONReader) throws(RegistryModelError) -> R
    ) throws(RegistryModelError) -> R {
        let result = body.withUnsafeReadableBytes { bytes -> Result<R, RegistryModelError> in
            do throws(RegistryModelError) {
                return .success(try JSONReader.parse(bytes, read))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}
