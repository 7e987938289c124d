package wire

import "maildrift/monitor/diagnose"

// RecordDiagnosis is why one record is not as it should be, as far as a closer look finds out.
type RecordDiagnosis struct {
	Record string `json:"record" doc:"Key of the record"`
	Status string `json:"status" enum:"good,wrong,missing,disagreeing,unknown" doc:"What was seen just now"`
	Reason string `json:"reason,omitempty"`
	// Causes are in order, the likeliest first.
	Causes   []diagnose.Diagnosis `json:"causes" nullable:"false" doc:"The likeliest first"`
	Commands []string             `json:"commands" nullable:"false" doc:"Commands that show the same without maildrift"`
}

// Diagnoses are those of a domain's records.
type Diagnoses struct {
	Diagnoses []RecordDiagnosis `json:"diagnoses" nullable:"false"`
}
