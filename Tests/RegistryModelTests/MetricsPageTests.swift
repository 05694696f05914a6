import RegistryModel
import Testing

@Suite("A page of metrics")
struct MetricsPageTests {
    @Test("has HELP and TYPE, and values as Prometheus reads them")
    func samples() {
        var page = MetricsPage()
        page.counter("a_total", "Things.", UInt64.max)
        page.metric("b_seconds", .gauge, "Time.")
        page.sample("b_seconds", [("zone", "a")], 0.25)
        page.sample("b_seconds", [("zone", "b"), ("kind", "x")], 3.0)
        #expect(
            page.text == """
                # HELP a_total Things.
                # TYPE a_total counter
                a_total 18446744073709551615
                # HELP b_seconds Time.
                # TYPE b_seconds gauge
                b_seconds{zone="a"} 0.25
                b_seconds{zone="b",kind="x"} 3

                """
        )
    }

    @Test("a label's value can't end its line or its quotes")
    func escaping() {
        var page = MetricsPage()
        page.sample("a", [("path", "c:\\x\"y\nz")], 1)
        #expect(page.text == #"a{path="c:\\x\"y\nz"} 1"# + "\n")
    }

    @Test("a histogram's buckets are summed up, and the last one holds everything")
    func histogram() {
        var page = MetricsPage()
        page.histogram("h", [("s", "a")], bounds: [0.001, 1], counts: [2, 3, 4], sum: 7.5)
        #expect(
            page.text == """
                h_bucket{s="a",le="0.001"} 2
                h_bucket{s="a",le="1"} 5
                h_bucket{s="a",le="+Inf"} 9
                h_sum{s="a"} 7.5
                h_count{s="a"} 9

                """
        )
    }
}
