/// Kinds of events by the numbers of their fields in the schema, for those who look for a few rare ones in a long log.
public enum EventField: UInt64, Sendable {
    case clockStepped = 22
    case checkpointed = 31
    case registryRestored = 32
    case snapshotTaken = 33
    case checkpointKeyRotated = 34

    /// Looks no further into an event's bytes than it must; nil where they are of another kind, or no event.
    public init?(ofSerialized bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while offset < bytes.count {
            guard let tag = Varint.read(bytes, at: &offset) else { return nil }
            // Those below are the envelope's: sequence, time, actor, request id.
            if tag >> 3 >= 10 {
                self.init(rawValue: tag >> 3)
                return
            }
            switch tag & 7 {
            case 0:
                guard Varint.read(bytes, at: &offset) != nil else { return nil }
            case 1: offset += 8
            case 2:
                guard let length = Varint.read(bytes, at: &offset), length <= UInt64(bytes.count - offset) else {
                    return nil
                }
                offset += Int(length)
            default: return nil
            }
        }
        return nil
    }
}
