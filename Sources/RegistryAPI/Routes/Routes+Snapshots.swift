import EventLog
import Hummingbird
import Registry
import RegistryModel
import Replay

extension RegistryRoutes {
    func addSnapshots(to router: Router<Context>) {
        on(router, .get, "/v1/snapshots") { _ in try snapshotList() }
        on(router, .post, "/v1/snapshots") { request in
            var file: String?
            let body = try await request.body()
            if body.readableBytes > 0 {
                try RequestBody.parse(body) { (reader) throws(RegistryModelError) in
                    try reader.object { (reader, key) throws(RegistryModelError) in
                        guard key == "file" else { throw Registration.unknownMember(key, among: ["file"]) }
                        file = try reader.string()
                    }
                }
            }
            if let file, !file.hasPrefix("/") { throw ProblemDetails.badRequest("file must be an absolute path") }
            let taken = try await SnapshotTaker(registry: registry).take(file, actor: request.peer.actor)
            var json = JSONWriter()
            Self.write(taken.path, taken.bytes, taken.manifest, to: &json)
            return Reply(status: 201, json: json)
        }
    }

    private func snapshotList() throws -> Reply {
        var json = JSONWriter()
        json.beginObject()
        json.key("snapshots")
        json.beginArray()
        for path in try SnapshotTaker(registry: registry).kept() {
            // One that is being removed, or that something else put there, is left out.
            guard let manifest = try? SnapshotArchive.inspect(path), let bytes = try? FileHash.size(of: path) else {
                continue
            }
            Self.write(path, bytes, manifest, to: &json)
        }
        json.endArray()
        json.endObject()
        return Reply(json: json)
    }

    private static func write(_ path: String, _ bytes: UInt64, _ manifest: SnapshotManifest, to json: inout JSONWriter)
    {
        json.beginObject()
        json.member("file", path)
        json.member("bytes", bytes)
        json.member("sequence", manifest.sequence.rawValue)
        json.member("time", manifest.time)
        json.member("instances", manifest.instances)
        json.member("epoch", manifest.epoch.description)
        json.endObject()
    }
}
