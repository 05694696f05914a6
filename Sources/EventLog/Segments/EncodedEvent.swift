public import RegistryModel

/// An event with its place, and the bytes that are hashed and stored.
public struct EncodedEvent: Sendable {
    public let sequence: SequenceNumber
    public let time: Timestamp
    public let bytes: [UInt8]

    public init(_ event: Event) {
        sequence = event.sequence
        time = event.time
        bytes = event.serialized()
    }
}

/// What a batch's zstd frame holds: `repeated Event event = 1` fields of an `EventStream`, so that the payloads of all
/// frames, one behind the other, are one protobuf message.
enum BatchPayload {
    /// Field 1, length-delimited.
    static let tag: UInt8 = 0x0A

    static func append(_ event: [UInt8], to payload: inout [UInt8]) {
        payload.append(tag)
        Varint.append(UInt64(event.count), to: &payload)
        payload.append(contentsOf: event)
    }

    /// Shows each event's bytes, until `body` returns false.
    ///
    /// - Returns: false where the payload is not a sequence of such fields.
    static func forEach(
        _ payload: UnsafeRawBufferPointer,
        _ body: (UnsafeRawBufferPointer) throws -> Bool
    ) rethrows -> Bool {
        var offset = 0
        while offset < payload.count {
            guard payload[offset] == tag else { return false }
            offset += 1
            guard let length = Varint.read(payload, at: &offset), length <= UInt64(payload.count - offset) else {
                return false
            }
            let end = offset + Int(length)
            guard try body(UnsafeRawBufferPointer(rebasing: payload[offset..<end])) else { return true }
            offset = end
        }
        return true
    }
}
