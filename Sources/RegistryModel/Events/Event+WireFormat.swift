// Registrations make up nearly all events of a registry that fills, and a generated message of so many fields costs more
// than all the rest of logging one. Their bytes are written directly; a test holds them to the generated code's own.

extension Event {
    /// As ``serialized()``, for `instanceRegistered`.
    func serializedRegistration(_ instance: Instance, _ health: Health) -> [UInt8] {
        var message = ProtobufWriter()
        message.write(1, instance.key.service.description)
        message.write(2, instance.key.id.description)
        message.write(3, instance.endpoint.host)
        message.write(4, UInt64(instance.endpoint.port))
        message.write(5, UInt64(instance.appPort ?? 0))
        message.write(6, instance.version)
        for tag in instance.tags { message.write(7, tag, isElement: true) }
        for entry in instance.metadata {
            var pair = ProtobufWriter()
            pair.write(1, entry.key)
            pair.write(2, entry.value)
            message.write(8, pair)
        }
        message.write(9, instance.zone)
        message.write(10, UInt64(instance.weight))
        message.write(11, instance.applicationProtocol)
        switch instance.lease {
        case .inherited: break
        case .ttl(let milliseconds): message.write(12, milliseconds)
        case .permanent: message.write(13, 1)
        }
        for route in instance.repeatable { message.write(14, route, isElement: true) }
        message.write(15, instance.keyLineage)
        message.write(16, instance.tlsCert)
        message.write(17, instance.startID)
        message.write(18, UInt64(health.rawValue))
        var envelope = ProtobufWriter()
        envelope.write(1, sequence.rawValue)
        envelope.write(2, fixed: time.rawValue)
        if let actor { envelope.write(3, actor.wireForm) }
        envelope.write(4, requestID)
        envelope.write(10, message)
        return envelope.bytes
    }
}

extension Actor {
    fileprivate var wireForm: ProtobufWriter {
        var message = ProtobufWriter()
        switch identity {
        case .spiffeID(let id): message.write(1, id, isElement: true)
        case .token(let id): message.write(2, id, isElement: true)
        case .uid(let uid): message.write(3, UInt64(uid), isElement: true)
        }
        message.write(4, peer)
        return message
    }
}

/// Writes protobuf fields in the order of their numbers (protobuf encoding guide). What is a field's default is left out,
/// as proto3 does, unless it is an element of a repeated field or of a `oneof`.
private struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    init() {
        bytes.reserveCapacity(192)
    }

    mutating func write(_ field: UInt64, _ value: UInt64, isElement: Bool = false) {
        guard value != 0 || isElement else { return }
        Varint.append(field << 3, to: &bytes)
        Varint.append(value, to: &bytes)
    }

    mutating func write(_ field: UInt64, _ text: String, isElement: Bool = false) {
        guard !text.isEmpty || isElement else { return }
        Varint.append(field << 3 | 2, to: &bytes)
        Varint.append(UInt64(text.utf8.count), to: &bytes)
        bytes.append(contentsOf: text.utf8)
    }

    mutating func write(_ field: UInt64, _ message: ProtobufWriter) {
        Varint.append(field << 3 | 2, to: &bytes)
        Varint.append(UInt64(message.bytes.count), to: &bytes)
        bytes.append(contentsOf: message.bytes)
    }

    /// `sfixed64`
    mutating func write(_ field: UInt64, fixed value: Int64) {
        guard value != 0 else { return }
        Varint.append(field << 3 | 1, to: &bytes)
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
