import Hummingbird
import NIOCore
import Registry
import RegistryModel

/// A watch as Server-Sent Events (WHATWG HTML, "Server-sent events").
struct EventStreamBody: Sendable {
    let registry: ServiceRegistry
    let services: WatchedServices
    let cursor: WatchCursor?
    /// Whom to believe, as JSON: told first, and again whenever it changes.
    let bundle: @Sendable () throws -> [UInt8]

    var response: Response {
        let body = ResponseBody { writer in
            try await registry.withSubscription(to: services, resumingFrom: cursor) { subscription in
                // The head goes out at once, whatever there is to say.
                try await writer.write(try beginning)
                try await subscription.forEachBatch { batch in
                    try await writer.write(try Self.encode(batch, bundle: bundle))
                }
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/event-stream", .cacheControl: "no-store",
                .hmsSequence: String(registry.sequence.rawValue),
            ],
            body: body
        )
    }

    private var beginning: ByteBuffer {
        get throws {
            var buffer = ByteBuffer(staticString: ": watching\n\nevent: bundle\ndata: ")
            buffer.writeBytes(try bundle())
            buffer.writeStaticString("\n\n")
            return buffer
        }
    }

    /// Only the last event of a complete state carries an id: a reader that is cut off before it starts over.
    static func encode(_ batch: WatchBatch, bundle: () throws -> [UInt8]) throws -> ByteBuffer {
        var buffer = ByteBuffer()
        guard !batch.events.isEmpty else {
            // Nothing new for a while: says that the line is up.
            buffer.writeStaticString(":\n\n")
            return buffer
        }
        for (index, event) in batch.events.enumerated() {
            buffer.writeString("event: \(name(of: event))\n")
            if index == batch.events.count - 1, let cursor = batch.cursor {
                buffer.writeString("id: \(cursor)\n")
            }
            buffer.writeStaticString("data: ")
            if case .trustChanged = event { buffer.writeBytes(try bundle()) } else { writeData(of: event, to: &buffer) }
            buffer.writeStaticString("\n\n")
        }
        return buffer
    }

    private static func name(of event: WatchEvent) -> String {
        switch event {
        case .reset: "reset"
        case .denied: "denied"
        case .trustChanged: "bundle"
        case .service: "service"
        case .upsert: "upsert"
        case .remove: "remove"
        case .policy: "policy"
        }
    }

    private static func writeData(of event: WatchEvent, to buffer: inout ByteBuffer) {
        var json = JSONWriter()
        json.beginObject()
        switch event {
        case .reset, .trustChanged: break
        case .denied(let revocations): write(revocations, to: &json)
        case .service(let name, let instances, let policy, let isKnown):
            json.member("service", name.description)
            json.member("known", isKnown)
            json.key("instances")
            json.write(raw: instances)
            json.key("policy")
            if let policy { policy.write(to: &json) } else { json.writeNull() }
        case .upsert(let name, let instance):
            json.member("service", name.description)
            json.key("instance")
            json.write(raw: instance)
        case .remove(let key):
            json.member("service", key.service.description)
            json.member("id", key.id.description)
        case .policy(let name, let policy):
            json.member("service", name.description)
            json.key("policy")
            if let policy { policy.write(to: &json) } else { json.writeNull() }
        }
        json.endObject()
        buffer.writeBytes(json.bytes)
    }

    /// `"serials":["…"],"services":{"<service>":"<issued before>"}`
    private static func write(_ revocations: [Revocation], to json: inout JSONWriter) {
        json.key("serials")
        json.beginArray()
        for case .serial(let serial) in revocations.map(\.subject) { json.write(serial) }
        json.endArray()
        json.key("services")
        json.beginObject()
        for revocation in revocations {
            if case .service(let service) = revocation.subject { json.member(service.description, revocation.before) }
        }
        json.endObject()
    }
}
