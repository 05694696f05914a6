import RegistryModel
import Terminal

/// One request over all its hops. Which call was made for which is told by where a call was answered and whose sidecar sent
/// the next one, while the first was under way.
struct TraceTree {
    struct Node {
        let hop: TraceForest.Hop
        /// Of the sidecars that its tries came to: what of the time passed there.
        var inside: [TraceForest.Hop] = []
        var children: [Int] = []
        var parent: Int?
    }

    /// Clocks of two machines may differ by as much and a call still be taken for part of another.
    private static let slack = Int64(50_000_000)

    private(set) var nodes: [Node]

    init(_ hops: [TraceForest.Hop]) {
        let outbound = hops.filter(\.line.isOutbound)
        nodes = outbound.map { Node(hop: $0) }
        for hop in hops where !hop.line.isOutbound { place(hop) }
        nodes.sort { $0.hop.begin < $1.hop.begin }
        for index in nodes.indices {
            guard let parent = parent(of: index) else { continue }
            nodes[index].parent = parent
            nodes[parent].children.append(index)
        }
    }

    var roots: [Int] { nodes.indices.filter { nodes[$0].parent == nil } }

    /// What the callee's sidecar tells of a call that its caller's told too is no call of its own.
    private mutating func place(_ hop: TraceForest.Hop) {
        let match = nodes.indices.filter { index in
            let node = nodes[index]
            let told = node.inside.count { $0.source == hop.source }
            return node.hop.line.isOutbound && node.hop.line.from == hop.line.from
                && told < node.hop.triesReaching(hop.source) && node.hop.spans(hop.begin, Self.slack)
        }.min { abs(nodes[$0].hop.begin - hop.begin) < abs(nodes[$1].hop.begin - hop.begin) }
        if let match { nodes[match].inside.append(hop) } else { nodes.append(Node(hop: hop)) }
    }

    /// The last call that had begun before, and reached the instance whose sidecar sent this one.
    private func parent(of index: Int) -> Int? {
        let hop = nodes[index].hop
        guard hop.line.isOutbound else { return nil }
        return nodes[..<index].indices.last { candidate in
            nodes[candidate].hop.reached(hop.source) && nodes[candidate].hop.spans(hop.begin, Self.slack)
        }
    }

    // MARK: For people

    func rendered(_ output: Output) -> String {
        guard let first = nodes.first?.hop.line else { return "" }
        let dot = output.symbols.separator
        let begin = nodes.map(\.hop.begin).min() ?? 0
        let end = nodes.map(\.hop.end).max() ?? 0
        var rows: [(index: Int, prefix: String, below: String)] = []
        for root in roots { collect(root, prefix: "", below: "", into: &rows) }
        let calls = HumanText.counted(UInt64(nodes.count), "call")
        var text =
            output.style.bold(
                "\(TailColumns.clock(first.time)) \(dot) \(calls) \(dot) \(TailColumns.took((end - begin) / 1_000))"
            )
            + output.style.dim(" \(dot) trace \(first.trace)") + "\n"
        let names = rows.map { row in row.prefix + name(row.index, output) }
        let width = names.map(\.count).max() ?? 0
        for (row, name) in zip(rows, names) {
            let padding = String(repeating: " ", count: width - name.count)
            text += self.row(row.index, name + padding, output) + "\n"
            if let below = TailColumns.below(nodes[row.index].hop.line) {
                text += output.style.dim(row.below + below) + "\n"
            }
        }
        return text
    }

    private func collect(
        _ index: Int,
        prefix: String,
        below: String,
        into rows: inout [(index: Int, prefix: String, below: String)]
    ) {
        let children = nodes[index].children
        rows.append((index, prefix, below + (children.isEmpty ? "  " : "│ ")))
        for child in children {
            let isLast = child == children.last
            collect(child, prefix: below + (isLast ? "└ " : "├ "), below: below + (isLast ? "  " : "│ "), into: &rows)
        }
    }

    private func name(_ index: Int, _ output: Output) -> String {
        let hop = nodes[index].hop
        let place = hop.place.map { "\(hop.line.to)/\($0)" } ?? hop.line.to
        return "\(hop.line.from) \(output.symbols.next) \(place)"
    }

    private func row(_ index: Int, _ name: String, _ output: Output) -> String {
        let line = nodes[index].hop.line
        let status = line.error ?? String(line.status)
        let columns = [
            name, status.padded(to: 7), TailColumns.took(line.microseconds).leading(to: 7), TailColumns.mtls(line),
            TailColumns.request(line),
        ]
        var text = columns.joined(separator: "  ")
        let earlier = line.tries.dropLast().map { "\($0.instance) \($0.failed ?? $0.status.map(String.init) ?? "-")" }
        if !earlier.isEmpty { text += "  after \(earlier.joined(separator: ", "))" }
        let color: Style.Color =
            line.status >= 500
            ? .red : line.status >= 400 || line.tries.count > 1 ? .yellow : line.isMutualTLS ? .green : .blue
        return output.style.paint(text, color)
    }

    // MARK: For scripts

    /// One object, with a newline: the calls in the order of time, each with the place of the one that it was made for.
    func json() -> String {
        var json = JSONWriter()
        json.beginObject()
        json.member("trace", nodes.first?.hop.line.trace ?? "")
        json.key("calls")
        json.beginArray()
        for node in nodes {
            json.beginObject()
            json.key("parent")
            if let parent = node.parent { json.write(parent) } else { json.writeNull() }
            json.member("sidecar", node.hop.source.description)
            json.key("line")
            json.write(raw: node.hop.document)
            json.key("inside")
            json.beginArray()
            for hop in node.inside { json.write(raw: hop.document) }
            json.endArray()
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.string + "\n"
    }
}

extension TraceForest.Hop {
    /// Nanoseconds of Unix time.
    fileprivate var begin: Int64 { line.time.rawValue }
    fileprivate var end: Int64 { begin + line.microseconds * 1_000 }

    /// The instance that the last try went to; what came in is where it was written.
    fileprivate var place: String? {
        guard line.isOutbound else { return source.id }
        return line.isMutualTLS ? line.tries.last?.instance : nil
    }

    /// Whether the sidecar of that instance got it.
    fileprivate func reached(_ instance: TailSource) -> Bool {
        triesReaching(instance) > 0
    }

    /// How often the sidecar of that instance got it.
    fileprivate func triesReaching(_ instance: TailSource) -> Int {
        guard line.to == instance.service else { return 0 }
        return line.isOutbound ? line.tries.count { $0.instance == instance.id } : source == instance ? 1 : 0
    }

    fileprivate func spans(_ moment: Int64, _ slack: Int64) -> Bool {
        begin - slack <= moment && moment <= end + slack
    }
}

extension String {
    /// Spaces behind it.
    func padded(to width: Int) -> String {
        count >= width ? self : self + String(repeating: " ", count: width - count)
    }

    /// Spaces before it.
    func leading(to width: Int) -> String {
        count >= width ? self : String(repeating: " ", count: width - count) + self
    }
}
