package conformance

// A Mixed is the outcome of TestMixed, for the report.
type Mixed struct {
	Runs   int `json:"runs"`
	Failed int `json:"failed"`
}

var mixed *Mixed
