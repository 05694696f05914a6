// A replay decodes millions of events, nearly all of a few kinds, and the generated code makes a message of each before it
// becomes a value. These kinds are read directly, in the form in which they are written; everything else, be it rare,
// odd or wrong, is the library's to judge, so that there is one answer to what bytes mean. A test holds both to it.

extension Event {
    /// Of a frequent kind in its plain form; nil says nothing of whether the bytes are an event.
    init?(plain bytes: UnsafeRawBufferPointer) {
        do throws(ProtobufReader.Unusual) {
            try self.init(plainly: ProtobufReader(bytes))
        } catch {
            return nil
        }
    }

    private init(plainly reader: consuming ProtobufReader) throws(ProtobufReader.Unusual) {
        var reader = reader
        sequence = .none
        time = Timestamp(rawValue: 0)
        actor = nil
        requestID = ""
        var found: EventKind?
        while let field = try reader.nextField() {
            switch field {
            case 1: sequence = SequenceNumber(try reader.uint64())
            case 2: time = Timestamp(rawValue: try reader.sfixed64())
            case 3:
                // Two of one message would be merged.
                guard actor == nil else { throw ProtobufReader.Unusual() }
                actor = try Actor(plainly: ProtobufReader(try reader.content()))
            case 4: requestID = try reader.text()
            default:
                guard found == nil else { throw ProtobufReader.Unusual() }
                found = try EventKind(plainly: ProtobufReader(try reader.content()), field: field)
            }
        }
        guard let found else { throw ProtobufReader.Unusual() }
        kind = found
    }
}

extension Actor {
    fileprivate init(plainly reader: consuming ProtobufReader) throws(ProtobufReader.Unusual) {
        var reader = reader
        var who: Identity?
        peer = ""
        while let field = try reader.nextField() {
            switch field {
            case 1: who = .spiffeID(try reader.text())
            case 2: who = .token(try reader.text())
            case 3: who = .uid(try reader.uint32())
            case 4: peer = try reader.text()
            default: throw ProtobufReader.Unusual()
            }
        }
        guard let who else { throw ProtobufReader.Unusual() }
        identity = who
    }
}

extension EventKind {
    fileprivate init(
        plainly reader: consuming ProtobufReader,
        field: UInt64
    ) throws(ProtobufReader.Unusual) {
        switch field {
        case 10: self = try .registered(&reader)
        case 11: self = try .deregistered(&reader)
        case 12: self = try .draining(&reader)
        case 13: self = try .changed(&reader)
        case 18: self = try .beats(&reader)
        case 26: self = try .issued(&reader)
        default: throw ProtobufReader.Unusual()
        }
    }

    private static func registered(_ reader: inout ProtobufReader) throws(ProtobufReader.Unusual) -> EventKind {
        let key = try InstanceKey(plainly: &reader)
        guard try reader.nextField() == 3, case let host = try reader.text(), try reader.nextField() == 4,
            let port = UInt16(exactly: try reader.uint32()), let endpoint = try? Endpoint(host: host, port: port)
        else { throw ProtobufReader.Unusual() }
        var instance = Instance(key: key, endpoint: endpoint)
        instance.weight = 0
        var health: Health?
        var ttl: UInt64 = 0
        var neverExpires = false
        while let field = try reader.nextField() {
            switch field {
            case 5:
                guard let port = UInt16(exactly: try reader.uint32()) else { throw ProtobufReader.Unusual() }
                instance.appPort = port == 0 ? nil : port
            case 6: instance.version = try reader.text()
            case 7: instance.tags.append(try reader.text())
            case 8: instance.metadata.append(try MetadataEntry(plainly: ProtobufReader(try reader.content())))
            case 9: instance.zone = try reader.text()
            case 10: instance.weight = try reader.uint32()
            case 11: instance.applicationProtocol = try reader.text()
            case 12: ttl = try reader.uint64()
            case 13: neverExpires = try reader.uint64() != 0
            case 14: instance.repeatable.append(try reader.text())
            case 15: instance.keyLineage = try reader.text()
            case 16: instance.tlsCert = try reader.text()
            case 17: instance.startID = try reader.text()
            case 18: health = try reader.enumeration()
            default: throw ProtobufReader.Unusual()
            }
        }
        guard let health else { throw ProtobufReader.Unusual() }
        instance.lease = neverExpires ? .permanent : ttl == 0 ? .inherited : .ttl(milliseconds: ttl)
        return .instanceRegistered(instance, health: health)
    }

    private static func deregistered(_ reader: inout ProtobufReader) throws(ProtobufReader.Unusual) -> EventKind {
        let key = try InstanceKey(plainly: &reader)
        var handle = InstanceHandle.none
        var cause: TransitionCause?
        while let field = try reader.nextField() {
            switch field {
            case 3: handle = InstanceHandle(try reader.uint64())
            case 4: cause = try reader.enumeration()
            default: throw ProtobufReader.Unusual()
            }
        }
        guard let cause else { throw ProtobufReader.Unusual() }
        return .instanceDeregistered(key, handle: handle, cause: cause)
    }

    private static func draining(_ reader: inout ProtobufReader) throws(ProtobufReader.Unusual) -> EventKind {
        let key = try InstanceKey(plainly: &reader)
        var handle = InstanceHandle.none
        while let field = try reader.nextField() {
            guard field == 3 else { throw ProtobufReader.Unusual() }
            handle = InstanceHandle(try reader.uint64())
        }
        return .instanceDraining(key, handle: handle)
    }

    private static func changed(_ reader: inout ProtobufReader) throws(ProtobufReader.Unusual) -> EventKind {
        let key = try InstanceKey(plainly: &reader)
        var handle = InstanceHandle.none
        var from: Health?
        var to: Health?
        var cause: TransitionCause?
        var detail = ""
        while let field = try reader.nextField() {
            switch field {
            case 3: handle = InstanceHandle(try reader.uint64())
            case 4: from = try reader.enumeration()
            case 5: to = try reader.enumeration()
            case 6: cause = try reader.enumeration()
            case 7: detail = try reader.text()
            default: throw ProtobufReader.Unusual()
            }
        }
        guard let from, let to, let cause else { throw ProtobufReader.Unusual() }
        return .healthChanged(
            HealthChange(key: key, handle: handle, from: from, to: to, cause: cause, detail: detail)
        )
    }

    private static func beats(_ reader: inout ProtobufReader) throws(ProtobufReader.Unusual) -> EventKind {
        var beats = PackedHeartbeats(follows: .none, baseUnixMilliseconds: 0, count: 0, packed: [])
        while let field = try reader.nextField() {
            switch field {
            case 1: beats.follows = SequenceNumber(try reader.uint64())
            case 2: beats.baseUnixMilliseconds = try reader.sfixed64()
            case 3: beats.count = try reader.uint32()
            case 4: beats.packed = [UInt8](try reader.content())
            default: throw ProtobufReader.Unusual()
            }
        }
        return .heartbeats(beats)
    }

    private static func issued(_ reader: inout ProtobufReader) throws(ProtobufReader.Unusual) -> EventKind {
        var certificate = CertificateRecord(
            serial: "",
            spiffeID: "",
            keyHash: [],
            lineage: [],
            notAfter: Timestamp(rawValue: 0)
        )
        while let field = try reader.nextField() {
            switch field {
            case 1: certificate.serial = try reader.text()
            case 2: certificate.spiffeID = try reader.text()
            case 3: certificate.keyHash = [UInt8](try reader.content())
            case 4: certificate.lineage = [UInt8](try reader.content())
            case 5: certificate.notAfter = Timestamp(rawValue: try reader.sfixed64())
            case 6: certificate.role = try reader.enumeration()
            case 7: certificate.grounds = try reader.enumeration()
            case 8: certificate.previous = try reader.text()
            default: throw ProtobufReader.Unusual()
            }
        }
        guard certificate.keyHash.count == 32, certificate.lineage.count == 32 else { throw ProtobufReader.Unusual() }
        return .certificateIssued(certificate)
    }
}

extension InstanceKey {
    /// The first two fields of all that is about one instance.
    fileprivate init(plainly reader: inout ProtobufReader) throws(ProtobufReader.Unusual) {
        guard try reader.nextField() == 1, let service = ServiceName(utf8: try reader.content()),
            try reader.nextField() == 2, let id = InstanceID(utf8: try reader.content())
        else { throw ProtobufReader.Unusual() }
        self.init(service: service, id: id)
    }
}

extension MetadataEntry {
    fileprivate init(plainly reader: consuming ProtobufReader) throws(ProtobufReader.Unusual) {
        var reader = reader
        self.init(key: "", value: "")
        while let field = try reader.nextField() {
            switch field {
            case 1: key = try reader.text()
            case 2: value = try reader.text()
            default: throw ProtobufReader.Unusual()
            }
        }
    }
}
