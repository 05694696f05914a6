import Registry
import RegistryModel

/// Answers to writes.
enum ReplyDocuments {
    static func registered(
        _ key: InstanceKey,
        _ outcome: CommandOutcome,
        epoch: Epoch,
        time: Timestamp
    ) -> Reply {
        guard case .registered(let registration) = outcome.reply else { return done(outcome) }
        var json = JSONWriter()
        json.beginObject()
        json.member("service", key.service.description)
        json.member("id", key.id.description)
        json.member("handle", registration.handle.rawValue)
        json.member("sequence", outcome.sequence.rawValue)
        json.member("result", registration.result.rawValue)
        json.member("status", registration.health.description)
        json.key("ttlMs")
        if let ttl = registration.ttl { json.write(ttl.milliseconds) } else { json.writeNull() }
        json.member("time", time)
        json.endObject()
        var reply = Reply(status: registration.result == .registered ? 201 : 200, json: json)
        reply.headers.append(("etag", "\"\(epoch)-\(registration.handle)\""))
        reply.noteSequence(outcome.sequence)
        return reply
    }

    /// Results in the order of the request: what was sent to the registry, and what was refused at the door.
    static func bulk(
        _ parsed: [Result<Command, RegistryModelError>],
        _ outcomes: [Result<CommandOutcome, RegistryError>],
        sequence: SequenceNumber
    ) -> Reply {
        var json = JSONWriter(reservingCapacity: parsed.count * 32 + 128)
        var next = outcomes.makeIterator()
        var sequence = sequence
        var failed = 0
        json.beginObject()
        json.key("results")
        json.beginArray()
        for command in parsed {
            json.beginObject()
            switch command {
            case .failure(let error):
                failed += 1
                write(ProblemDetails(error), to: &json)
            case .success:
                switch next.next() {
                case .success(let outcome):
                    sequence = max(sequence, outcome.sequence)
                    writeBrief(outcome, to: &json)
                case .failure(let error):
                    failed += 1
                    write(ProblemDetails(error), to: &json)
                case nil: write(ProblemDetails(RegistryError(.stopping, "the registry is stopping")), to: &json)
                }
            }
            json.endObject()
        }
        json.endArray()
        json.member("registered", parsed.count - failed)
        json.member("failed", failed)
        json.member("sequence", sequence.rawValue)
        json.endObject()
        var reply = Reply(json: json)
        reply.noteSequence(sequence)
        return reply
    }

    static func heartbeats(_ summary: HeartbeatSummary, sequence: SequenceNumber, isProtecting: Bool) -> Reply {
        var json = JSONWriter()
        json.beginObject()
        json.member("time", summary.time)
        json.member("sequence", sequence.rawValue)
        json.member("protected", isProtecting)
        json.member("accepted", summary.accepted)
        for (name, keys) in [("unknown", summary.unknown), ("superseded", summary.superseded)] {
            json.key(name)
            json.beginArray()
            for key in keys {
                json.beginObject()
                json.member("service", key.service.description)
                json.member("id", key.id.description)
                json.endObject()
            }
            json.endArray()
        }
        json.endObject()
        var reply = Reply(json: json)
        reply.noteSequence(sequence)
        if isProtecting { reply.headers.append(("x-hms-protected", "true")) }
        return reply
    }

    static func deregistered(_ outcome: CommandOutcome) -> Reply {
        guard case .deregistered(let count) = outcome.reply else { return done(outcome) }
        var json = JSONWriter()
        json.beginObject()
        json.member("deregistered", count)
        json.member("sequence", outcome.sequence.rawValue)
        json.endObject()
        return Reply(json: json, at: outcome)
    }

    static func health(_ key: InstanceKey, _ outcome: CommandOutcome) -> Reply {
        guard case .health(let health, _) = outcome.reply else { return done(outcome) }
        var json = JSONWriter()
        json.beginObject()
        json.member("service", key.service.description)
        json.member("id", key.id.description)
        json.member("status", health.description)
        json.member("sequence", outcome.sequence.rawValue)
        json.endObject()
        return Reply(json: json, at: outcome)
    }

    static func policy(_ service: ServiceName, _ policy: MeshPolicy?, sequence: SequenceNumber) -> Reply {
        var json = JSONWriter()
        json.beginObject()
        json.member("service", service.description)
        json.key("policy")
        if let policy { policy.write(to: &json) } else { json.writeNull() }
        json.member("sequence", sequence.rawValue)
        json.endObject()
        var reply = Reply(json: json)
        reply.noteSequence(sequence)
        return reply
    }

    static func external(_ instance: Instance, _ outcome: CommandOutcome) -> Reply {
        var json = JSONWriter()
        json.beginObject()
        json.member("service", instance.key.service.description)
        json.member("id", instance.key.id.description)
        json.member("url", instance.externalURL ?? "")
        json.member("sequence", outcome.sequence.rawValue)
        json.endObject()
        var reply = Reply(json: json, at: outcome)
        reply.status = 201
        if case .registered(let registration) = outcome.reply, registration.result == .unchanged { reply.status = 200 }
        return reply
    }

    static func done(_ outcome: CommandOutcome) -> Reply {
        var json = JSONWriter()
        json.beginObject()
        json.member("sequence", outcome.sequence.rawValue)
        json.endObject()
        return Reply(json: json, at: outcome)
    }

    private static func writeBrief(_ outcome: CommandOutcome, to json: inout JSONWriter) {
        guard case .registered(let registration) = outcome.reply else { return }
        json.member("status", registration.result == .registered ? 201 : 200)
        json.member("handle", registration.handle.rawValue)
    }

    private static func write(_ problem: ProblemDetails, to json: inout JSONWriter) {
        json.member("status", problem.status)
        json.member("code", problem.code)
        json.member("detail", problem.detail)
    }
}

extension Reply {
    mutating func noteSequence(_ sequence: SequenceNumber) {
        headers.append(("x-hms-sequence", String(sequence.rawValue)))
    }

    init(json: consuming JSONWriter, at outcome: CommandOutcome) {
        self.init(json: json)
        noteSequence(outcome.sequence)
    }
}
