import Identity
import RegistryModel
import TestSupport
import Testing

@testable import Registry
@testable import RegistryAPI

@Suite("The API's description")
struct OpenAPITests {
    @Test("every route is in it, and nothing that is none")
    func routes() throws {
        let described = try Self.described()
        let routed = try Self.routed().methods
        #expect(Set(described.methods.keys) == Set(routed.keys))
        for (path, methods) in routed {
            #expect(described.methods[path] == methods, "\(path.joined(separator: "/"))")
        }
    }

    @Test("each operation has its own id and says what it answers; each reference leads somewhere")
    func form() throws {
        let document = try Self.document()
        #expect(document["openapi"]?.text == "3.1.0")
        var ids: Set<String> = []
        for (path, item) in Self.members(document["paths"]) {
            for (method, operation) in Self.members(item) {
                let id = try #require(operation["operationId"]?.text, "\(method) \(path)")
                #expect(ids.insert(id).inserted, "\(id) stands twice")
                let answers = Self.members(operation["responses"]).map(\.key)
                #expect(answers.contains { $0.hasPrefix("2") } && answers.contains("400"), "\(id)")
                let named = path.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
                let given = (operation["parameters"]?.elements ?? []).map { Self.resolved($0, in: document) }
                    .filter { $0["in"]?.text == "path" }.compactMap { $0["name"]?.text }
                #expect(given == named.map(String.init), "\(id)")
            }
        }
        let references = Self.references(in: document)
        #expect(references.count > 100)
        for reference in references {
            #expect(Self.found(reference, in: document) != nil, "\(reference) leads nowhere")
        }
    }

    @Test("what a path takes besides is told with 405, the narrower path first")
    func allowed() throws {
        let table = try Self.routed()
        #expect(table.allowed(at: ["v1", "services", "a"]) == "DELETE, GET")
        #expect(table.allowed(at: ["v1", "certificates", "deny"]) == "POST")
        #expect(table.allowed(at: ["v1", "certificates", "5f3a"]) == "DELETE")
        #expect(table.allowed(at: ["v1", "heartbeats"]) == "POST")
        #expect(table.allowed(at: ["v1", "nothing"]) == nil)
    }

    // MARK: Both sides

    private static func document() throws -> JSONValue {
        try JSONValue(parsing: readFile(packageDirectory + "/Sources/RegistryAPI/Resources/openapi.json"))
    }

    private static func described() throws -> RouteTable {
        var table = RouteTable([])
        for (path, item) in members(try document()["paths"]) {
            for (method, _) in members(item) { table.add(method.uppercased(), path) }
        }
        return table
    }

    private static func routed() throws -> RouteTable {
        try withTemporaryDirectory { directory in
            let registry = try ServiceRegistry.open(
                ServiceRegistry.Options(dataDirectory: directory + "/data", reserveBytes: 0),
                notice: { _ in },
                fatal: { _ in }
            )
            defer { registry.stop(reason: "looked at") }
            let routes = RegistryRoutes(
                registry: registry,
                authority: try RegistryAuthority(registry, trustDomain: TrustDomain("gov.local")),
                connections: Connections(),
                followers: LogFollowers(),
                door: .operators,
                readiness: Readiness(),
                rejoinWindow: .seconds(1)
            )
            return routes.table(of: routes.router())
        }
    }

    // MARK: The tree

    private static func members(_ value: JSONValue?) -> [(key: String, value: JSONValue)] {
        guard case .object(let members)? = value else { return [] }
        return members.sorted { $0.key < $1.key }
    }

    private static func references(in value: JSONValue) -> [String] {
        switch value {
        case .object(let members):
            members.flatMap { key, value in
                if key == "$ref", let text = value.text { [text] } else { references(in: value) }
            }
        case .array(let elements): elements.flatMap { references(in: $0) }
        default: []
        }
    }

    private static func found(_ reference: String, in document: JSONValue) -> JSONValue? {
        reference.split(separator: "/").dropFirst().reduce(document) { $0?[String($1)] }
    }

    private static func resolved(_ value: JSONValue, in document: JSONValue) -> JSONValue {
        value["$ref"]?.text.flatMap { found($0, in: document) } ?? value
    }
}
