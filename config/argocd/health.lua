-- What Argo CD makes of an MCPServer. How to install it: docs/gitops.md.
local hs = { status = "Progressing", message = "Waiting for the operator's first report." }

local conditions = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    conditions[condition.type] = condition
  end
end
local ready = conditions["Ready"]

-- As for whatever else can be suspended in Argo CD, this comes first.
if obj.spec ~= nil and obj.spec.suspend == true then
  hs.status = "Suspended"
  hs.message = "spec.suspend is true."
  if ready ~= nil then
    hs.message = hs.message .. " " .. ready.reason .. ": " .. ready.message
  end
  return hs
end

if ready == nil then
  return hs
end

-- A report about an earlier spec says nothing about this one.
if obj.status.observedGeneration ~= obj.metadata.generation or ready.observedGeneration ~= obj.metadata.generation then
  hs.message = "Waiting for the operator to see the change."
  return hs
end

hs.message = ready.reason .. ": " .. ready.message
if conditions["Stalled"] ~= nil and conditions["Stalled"].status == "True" then
  hs.status = "Degraded"
elseif ready.status == "True" then
  hs.status = "Healthy"
elseif ready.reason == "ScaledToZero" then
  -- As a Deployment of no replicas is.
  hs.status = "Healthy"
end
return hs
