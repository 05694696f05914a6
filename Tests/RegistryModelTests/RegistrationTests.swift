import RegistryModel
import TestSupport
import Testing

@Suite("Registrations")
struct RegistrationTests {
    private func read(_ json: String, key: InstanceKey? = nil) throws(RegistryModelError) -> Registration {
        try JSONReader.parse(Array(json.utf8)) { (reader) throws(RegistryModelError) in
            try Registration(from: &reader, key: key)
        }
    }

    /// A registration with these members beside the four that must be there.
    private func read(members: String) throws(RegistryModelError) -> Registration {
        try read(#"{"service":"billing","id":"b-1","ip":"10.0.0.1","port":17000,"# + members + "}")
    }

    @Test("what must be there, in any order, is enough")
    func minimal() throws {
        let expected = Registration(instance: Sample.instance())
        #expect(try read(#"{"port":17000,"ip":"10.0.0.1","id":"b-1","service":"billing"}"#) == expected)
        #expect(try read(#"{"port":17000,"ip":"10.0.0.1"}"#, key: expected.instance.key) == expected)
    }

    @Test("every member is read")
    func everything() throws {
        let read = try read(
            members: #"""
                "appPort":8080,"version":"1.2","zone":"z1","tags":["a","b"],"metadata":{"k2":"v2","k1":"v1"},"weight":7,
                "protocol":"h2c","ttlMs":5000,"repeatable":["POST /validate"],"keyLineage":"kl","tlsCert":"sha256:00",
                "startId":"s1","status":"degraded"
                """#
        )
        var expected = Sample.instance()
        expected.appPort = 8_080
        expected.version = "1.2"
        expected.zone = "z1"
        expected.tags = ["a", "b"]
        expected.metadata = [MetadataEntry(key: "k1", value: "v1"), MetadataEntry(key: "k2", value: "v2")]
        expected.weight = 7
        expected.applicationProtocol = "h2c"
        expected.lease = .ttl(milliseconds: 5_000)
        expected.repeatable = ["POST /validate"]
        expected.keyLineage = "kl"
        expected.tlsCert = "sha256:00"
        expected.startID = "s1"
        #expect(read == Registration(instance: expected, health: .degraded))
        #expect(try self.read(members: #""ttlMs":null,"appPort":null"#).instance.lease == .permanent)
    }

    @Test("what is missing is named", arguments: ["service", "id", "ip", "port"])
    func missing(_ name: String) {
        let members = [("service", "\"a\""), ("id", "\"a\""), ("ip", "\"10.0.0.1\""), ("port", "1")]
        let json = members.filter { $0.0 != name }.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",")
        let error = #expect(throws: RegistryModelError(.missingField, "")) { _ = try read("{\(json)}") }
        #expect(error?.message == "\(name) is missing")
    }

    private static func quoted(_ count: Int) -> String {
        "\"" + String(repeating: "x", count: count) + "\""
    }

    private static func list(_ count: Int) -> String {
        "[" + [String](repeating: "\"x\"", count: count).joined(separator: ",") + "]"
    }

    static let withinBounds = [
        #""appPort":1"#, #""appPort":65535"#, #""weight":0"#, #""weight":10000"#, #""ttlMs":1000"#,
        #""ttlMs":86400000"#,
        "\"version\":\(quoted(128))", "\"zone\":\(quoted(128))", "\"startId\":\(quoted(128))", "\"tags\":\(list(32))",
        "\"tags\":[\(quoted(128))]", "\"repeatable\":\(list(64))", "\"metadata\":{\"k\":\(quoted(4_095))}",
        #""protocol":"""#, #""protocol":"http1""#, #""metadata":{}"#, #""status":"unhealthy""#,
    ]

    static let beyondBounds = [
        #""appPort":0"#, #""appPort":65536"#, #""appPort":-1"#, #""weight":10001"#, #""ttlMs":999"#,
        #""ttlMs":86400001"#, "\"version\":\(quoted(129))", "\"zone\":\(quoted(129))", "\"keyLineage\":\(quoted(129))",
        "\"tlsCert\":\(quoted(129))", "\"startId\":\(quoted(129))", "\"tags\":[\(quoted(129))]", #""tags":["a\u0000"]"#,
        #""version":"\u007f""#, "\"metadata\":{\"k\":\(quoted(4_096))}", #""metadata":{"":"v"}"#,
        #""metadata":{"k":"a\u0018"}"#, #""metadata":{"k\n":"v"}"#,
        #""metadata":{"k":"1","k":"2"}"#, #""protocol":"h3""#, #""status":"draining""#, #""status":"fine""#,
        #""port":0"#,
        #""port":70000"#, #""ip":"no host""#, #""service":"-""#, #""id":"""#, "\"repeatable\":[\(quoted(129))]",
    ]

    @Test("each bound is inclusive", arguments: withinBounds)
    func within(_ member: String) throws {
        _ = try read(members: member)
    }

    @Test("nothing beyond a bound is taken", arguments: beyondBounds)
    func beyond(_ member: String) {
        #expect(throws: RegistryModelError(.invalidField, "")) { _ = try read(members: member) }
    }

    @Test(
        "values of another type are not the JSON that is due",
        arguments: [
            #""weight":"1""#, #""weight":-1"#, #""weight":1.5"#, #""tags":"a""#, #""tags":[1]"#, #""metadata":[]"#,
            #""metadata":{"k":1}"#, #""version":null"#, #""port":1e3"#, "\"tags\":\(list(33))",
            "\"repeatable\":\(list(65))",
        ]
    )
    func otherTypes(_ member: String) {
        #expect(throws: RegistryModelError(.malformedJSON, "")) { _ = try read(members: member) }
    }

    @Test(
        "an unknown key is refused with the nearest known one",
        arguments: [("wieght", "weight"), ("apPort", "appPort"), ("tag", "tags")]
    )
    func unknown(_ name: String, _ nearest: String) {
        let error = #expect(throws: RegistryModelError(.unknownField, "")) { _ = try read(members: "\"\(name)\":1") }
        #expect(error?.message.hasSuffix("did you mean \(nearest)?") == true, "\(error?.message ?? "")")
        #expect(throws: RegistryModelError(.unknownField, "")) { _ = try read(members: #""externalUrl":"http://a""#) }
    }

    @Test("service and id of the body must be those of the path")
    func path() {
        let key = Sample.key("billing", "b-1")
        for member in [#""service":"ledger""#, #""id":"b-2""#] {
            #expect(throws: RegistryModelError(.invalidField, "")) {
                _ = try read("{\(member),\"ip\":\"10.0.0.1\",\"port\":1}", key: key)
            }
        }
    }

    @Test("what an instance writes of itself, it reads back")
    func roundTrip() throws {
        var random = SeededGenerator(usual: 9)
        for _ in 0..<100 {
            var instance = random.instance()
            // Text of these fields has no controls.
            instance.zone = "z"
            instance.tags = ["t é"]
            instance.metadata = instance.metadata.map { MetadataEntry(key: $0.key, value: "v é\"") }
            instance.repeatable = ["GET /x"]
            (instance.keyLineage, instance.tlsCert, instance.startID) = ("k", "", "s")
            var json = JSONWriter()
            json.beginObject()
            instance.writeMembers(to: &json)
            json.endObject()
            #expect(try read(json.string, key: instance.key).instance == instance, "seed \(random.seed)")
        }
    }

    @Test("policies are bounded, and null is as good as nothing")
    func policies() throws {
        func policy(_ json: String) throws(RegistryModelError) -> MeshPolicy {
            try JSONReader.parse(Array(json.utf8)) { (reader) throws(RegistryModelError) in
                try MeshPolicy(from: &reader)
            }
        }
        let full = MeshPolicy(
            retries: 10,
            timeoutMilliseconds: 3_600_000,
            perTryTimeoutMilliseconds: 1,
            ttlMilliseconds: 1_000,
            deregisterAfterMilliseconds: 2_592_000_000
        )
        for expected in [full, MeshPolicy()] {
            var json = JSONWriter()
            expected.write(to: &json)
            #expect(try policy(json.string) == expected)
        }
        #expect(try policy(#"{"retries":null,"ttlMs":null}"#) == MeshPolicy())
        for json in [
            #"{"retries":11}"#, #"{"timeoutMs":0}"#, #"{"timeoutMs":3600001}"#, #"{"perTryTimeoutMs":0}"#,
            #"{"ttlMs":999}"#,
            #"{"deregisterAfterMs":2592000001}"#,
        ] {
            #expect(throws: RegistryModelError(.invalidField, "")) { _ = try policy(json) }
        }
        #expect(throws: RegistryModelError(.unknownField, "")) { _ = try policy(#"{"retry":1}"#) }
    }
}
