#!/usr/bin/lua5.4
-- needs: cat sh sort
-- Lua: tables, closures, coroutines, patterns, garbage, files and pipes.
local function primes(limit)
    return coroutine.wrap(function()
        local composite = {}
        for n = 2, limit do
            if not composite[n] then
                coroutine.yield(n)
                for m = n * n, limit, n do composite[m] = true end
            end
        end
    end)
end
local sum, count = 0, 0
for prime in primes(20000) do sum, count = sum + prime, count + 1 end
print(sum, count, _VERSION)
local words = {}
for word in ("the quick brown fox jumps over the lazy dog"):gmatch("%a+") do
    words[#words + 1] = word:gsub("^%l", string.upper)
end
table.sort(words)
print(table.concat(words, " "), ("%5.2f|%x|%q"):format(math.pi, 255, "a\nb"))
local point = setmetatable({ x = 1 }, {
    __add = function(a, b) return a.x + b.x end,
    __index = function(_, key) return key .. "?" end,
    __close = function() print("closed") end,
})
do local guard <close> = point; print(guard + guard, guard.missing) end
print(pcall(error, { code = 7 }), select("#", table.unpack({ 1, 2, nil, 4 }, 1, 4)))
for i = 1, 2000 do words[i % 10] = ("x"):rep(i) .. i end
collectgarbage()
print(collectgarbage("count") < 2000, string.pack("<i4z", 77, "zero"):byte(1, -1))
local file = assert(io.open("data", "w"))
for i = 1, 3000 do file:write(i * 37 % 1000, "\n") end
file:close()
local sorted = io.popen("sort -n data | cat")
local seen = {}
for line in sorted:lines("n") do seen[#seen + 1] = line end
print(#seen, seen[1], seen[1500], seen[3000], sorted:close())
print(io.lines("data")(), os.rename("data", "moved"), os.remove("moved"), os.remove("moved"))
print(os.execute("exit 3"), os.time({ year = 2001, month = 1, day = 1, hour = 0 }) > 0)
io.stderr:write("to standard error\n")
os.exit(6)
