import RegistryModel
import TestSupport
import Testing

@testable import MaterializedView

@Suite("Filters of look-ups")
struct InstanceFilterTests {
    private func withFleet(_ body: (RegistryView) throws -> Void) throws {
        try withView { view in
            var events: [Event] = []
            for (index, health) in Health.allCases.enumerated() {
                let instance = try sampleInstance("s", "\(health)") { instance in
                    instance.version = index % 2 == 0 ? "1.0" : "1.0 \"x\""
                    instance.zone = index == 0 ? "" : "z\\\(index)"
                    instance.tags = ["t\(index)", "all", "quote \" and \\", "a,b", "[c]"]
                    instance.metadata = [MetadataEntry(key: "zone", value: "z9")]
                }
                events.append(registered(UInt64(index + 1), instance, health))
            }
            events.append(registered(6, try sampleInstance("s", "plain") { $0.tags = ["ünï", "line\nbreak"] }))
            try view.apply(events)
            try body(view)
        }
    }

    @Test("routable is healthy and degraded, and the default")
    func status() throws {
        try withFleet { (view: RegistryView) throws in
            #expect(try view.ids(of: "s", InstanceFilter()) == ["degraded", "healthy", "plain"])
            #expect(try view.ids(of: "s", .all).count == 6)
            for health in Health.allCases where health != .healthy {
                #expect(try view.ids(of: "s", InstanceFilter(status: .health(health))) == ["\(health)"])
            }
        }
    }

    @Test(
        "one tag of many, with whatever it holds",
        arguments: [
            ("all", 5), ("t1", 1), ("t", 0), ("quote \" and \\", 5), ("quote ", 0), ("a,b", 5), ("a", 0), ("b", 0),
            ("[c]", 5), ("ünï", 1), ("line\nbreak", 1), ("", 0), (",", 0), ("\",\"", 0),
        ]
    )
    func tags(tag: String, count: Int) throws {
        try withFleet { (view: RegistryView) throws in
            #expect(try view.ids(of: "s", InstanceFilter(status: .all, tag: tag)).count == count)
        }
    }

    @Test("version and zone are compared whole, never with what metadata says")
    func versionAndZone() throws {
        try withFleet { (view: RegistryView) throws in
            #expect(try view.ids(of: "s", InstanceFilter(status: .all, version: "1.0")).count == 3)
            #expect(try view.ids(of: "s", InstanceFilter(status: .all, version: "1.0 \"x\"")).count == 2)
            #expect(try view.ids(of: "s", InstanceFilter(status: .all, version: "1")).isEmpty)
            #expect(try view.ids(of: "s", InstanceFilter(status: .all, zone: "z\\1")) == ["healthy"])
            #expect(try view.ids(of: "s", InstanceFilter(status: .all, zone: "z9")).isEmpty)
        }
    }

    @Test("what is asked for together must hold together")
    func combined() throws {
        try withFleet { (view: RegistryView) throws in
            let filter = InstanceFilter(status: .routable, version: "1.0", tag: "all", zone: "z\\2")
            #expect(try view.ids(of: "s", filter) == ["degraded"])
            #expect(try view.ids(of: "s", InstanceFilter(status: .health(.healthy), tag: "t2")).isEmpty)
        }
    }
}
