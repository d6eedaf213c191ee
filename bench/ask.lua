-- What wrk asks: wrk --script ask.lua URL -- CONNECTION BODY-SIZE PIPELINED ENCODING PATH...
-- Each path in turn, so many requests together; ENCODING may be empty.
-- One line of JSON at the end, times in seconds.

local requests, last = {}, 0

function init(arguments)
    local headers = { ["Connection"] = arguments[1] }
    local size, together = tonumber(arguments[2]), tonumber(arguments[3])
    local body = size > 0 and string.rep("x", size) or nil
    if arguments[4] ~= "" then
        headers["Accept-Encoding"] = arguments[4]
    end
    for i = 5, #arguments do
        local one = wrk.format(body and "POST" or "GET", arguments[i], headers, body)
        requests[#requests + 1] = string.rep(one, together)
    end
end

function request()
    last = last % #requests + 1
    return requests[last]
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    local form = '\n{"requests": %d, "bytes": %.0f, "seconds": %f, '
        .. '"p50": %f, "p99": %f, "errors": %d}\n'
    io.write(form:format(summary.requests, summary.bytes, summary.duration / 1e6,
        latency:percentile(50) / 1e6, latency:percentile(99) / 1e6, failed))
end
