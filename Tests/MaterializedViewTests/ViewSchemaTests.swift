import RegistryModel
import TestSupport
import Testing

@testable import MaterializedView

@Suite("Keys of the view")
struct ViewSchemaTests {
    @Test("instances of a, a-b and ab are apart")
    func neighbours() throws {
        try withView { view in
            try view.apply([
                registered(1, try sampleInstance("a", "z")), registered(2, try sampleInstance("a-b", "a")),
                registered(3, try sampleInstance("ab", "a")), registered(4, try sampleInstance("a", "b")),
                registered(5, try sampleInstance("a0", "b")),
            ])
            #expect(try view.ids(of: "a") == ["b", "z"])
            #expect(try view.ids(of: "a-b") == ["a"])
            #expect(try view.ids(of: "ab") == ["a"])
            try view.write { store in
                let ids = try store.instanceIDs(of: try ServiceName("a"))
                #expect(ids.map(\.description) == ["b", "z"])
            }
        }
    }

    @Test("a key is read back as it was made, at the longest lengths too")
    func roundTrip() throws {
        let key = try sampleKey(String(repeating: "s", count: 63), String(repeating: "i", count: 128))
        let read = try ViewSchema.withKey(key) { try ViewSchema.instanceKey($0) }
        #expect(read == key)
    }

    @Test(
        "bytes that are no key are suspect",
        arguments: [
            [], [0], Array("a".utf8), Array("a\0".utf8), Array("A\0b".utf8), Array("a\0b c".utf8), [0xFF, 0, 0x61],
        ]
    )
    func hostileKeys(bytes: [UInt8]) {
        expectSuspect(bytes) { try ViewSchema.instanceKey($0) }
    }
}
