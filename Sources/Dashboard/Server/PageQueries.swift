import Glibc
import Mesh
import NIOHTTP1
import RegistryClient
import RegistryModel

/// What a page asks for: out of what is known here, or of the registry, which knows the past.
struct PageQueries: Sendable {
    /// Names that a search finds, at most.
    static let mostFound = 1_000
    private static let mostSteps = 400
    /// Between a question that got no answer and the same once more.
    private static let restart = Duration.milliseconds(500)

    let model: DashboardModel
    let configuration: DashboardConfiguration
    let turns = HistoryTurns()

    /// - Returns: nil where there is no such resource.
    func reply(to request: PageRequest) async -> PageReply? {
        do {
            return try await reply(request.path, request.query)
        } catch let error as RegistryClientError {
            return PageReply(error)
        } catch let error as RegistryModelError {
            return PageReply(.badRequest, error.message)
        } catch {
            return PageReply(.internalServerError, "\(error)")
        }
    }

    private func reply(_ path: [String], _ query: [String: String]) async throws -> PageReply? {
        switch (path.count, path.first, path.dropFirst().first) {
        case (2, "api", "about"): return about
        case (2, "api", "search"): return search(query["q"] ?? "")
        case (2, "api", "past"): return try await past(query["at"] ?? "")
        case (2, "api", "timeline"): return try await timeline(query)
        case (3, "api", "service"): return try await service(try ServiceName(path[2]), at: query["at"])
        case (4, "api", "instance"):
            let key = InstanceKey(service: try ServiceName(path[2]), id: try InstanceID(path[3]))
            return try await document { try await $0.instanceDocument(key) }
        case (3, "api", "history"), (4, "api", "history"):
            let service = try ServiceName(path[2])
            let id = try path.count > 3 ? InstanceID(path[3]) : nil
            return try await history { try await $0.historyDocument(service, id) }
        default: return nil
        }
    }

    // MARK: Out of what is known here

    private var about: PageReply {
        var json = JSONWriter()
        json.beginObject()
        json.member("program", DashboardProbe.program)
        json.member("version", configuration.version)
        json.member("registry", configuration.registry.description)
        json.member("pid", getpid())
        json.endObject()
        return PageReply(json: json)
    }

    /// Names of services that have an instance which bears the text.
    private func search(_ text: String) -> PageReply {
        let text = text.lowercased()
        let services = model.read { $0.mirror.services }
        var found: [String] = []
        for (name, entry) in services where found.count < Self.mostFound && entry.hasInstance(matching: text) {
            found.append(name.description)
        }
        var json = JSONWriter()
        json.beginObject()
        json.member("names", text.isEmpty ? [] : found.sorted())
        json.endObject()
        return PageReply(json: json)
    }

    private func service(_ name: ServiceName, at moment: String?) async throws -> PageReply {
        var json = JSONWriter(reservingCapacity: 4_096)
        if let moment {
            let found = try await turns.ask {
                try await ask { try await $0.lookup(name, LookupFilter(all: true, at: moment)) }
            }
            ServiceEntry(found.instances).writeDocument(name, to: &json)
            return PageReply(json: json)
        }
        guard let entry = model.read({ $0.mirror.services[name] }) else {
            return PageReply(.notFound, "no service \(name) is registered")
        }
        entry.writeDocument(name, to: &json)
        return PageReply(json: json)
    }

    // MARK: Of the registry

    private func past(_ moment: String) async throws -> PageReply {
        let document = try await turns.ask { try await ask { try await $0.registryDocument(at: moment) } }
        return PageReply(json: try PastRegistry(document).rows)
    }

    private func timeline(_ query: [String: String]) async throws -> PageReply {
        let steps = min(query["steps"].flatMap { Int($0) } ?? 120, Self.mostSteps)
        return try await history {
            try await $0.timelineDocument(since: query["since"], until: query["until"], steps: steps)
        }
    }

    private func history(
        _ question: @escaping @Sendable (RegistryConnection) async throws -> RegistryConnection.Answer
    ) async throws -> PageReply {
        PageReply(try await turns.ask { try await ask(question).body }, type: "application/json")
    }

    private func document(
        _ question: @Sendable (RegistryConnection) async throws -> RegistryConnection.Answer
    ) async throws -> PageReply {
        PageReply(try await ask(question).body, type: "application/json")
    }

    /// A question only reads: one that a restart of the registry cut off is asked again.
    private func ask<R: Sendable>(_ question: (RegistryConnection) async throws -> R) async throws -> R {
        do {
            return try await askOnce(question)
        } catch let error as RegistryClientError {
            guard error.code == .interrupted || error.code == .unreachable, await Task.pause(for: Self.restart) else {
                throw error
            }
        }
        return try await askOnce(question)
    }

    private func askOnce<R: Sendable>(_ question: (RegistryConnection) async throws -> R) async throws -> R {
        try await RegistryConnection.withConnection(
            to: configuration.registry,
            credentials: configuration.credentials(),
            question
        )
    }
}
