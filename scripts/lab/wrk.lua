-- Prints what a run of wrk came to, as one line of JSON.
done = function(summary, latency, requests)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format(
        '{"seconds": %.6f, "requests": %d, "octets": %d, "failed": %d, '
            .. '"p50_us": %d, "p99_us": %d}\n',
        summary.duration / 1e6, summary.requests, summary.bytes, failed,
        latency:percentile(50), latency:percentile(99)))
end
