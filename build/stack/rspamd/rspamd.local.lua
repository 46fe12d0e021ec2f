-- Symbols of the tests' own, by subject: score 5 is greylisted, 8 gets a header, 20 is rejected.
for name, score in pairs({ SPAMMY5 = 5.0, SPAMMY8 = 8.0, SPAMMY20 = 20.0 }) do
  config['regexp']['TEST_' .. name] = {
    re = 'Subject=/' .. name .. '\\b/H',
    score = score,
    group = 'test',
    description = 'a symbol of the tests',
  }
end
