package mailrec

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"testing"
)

// rsaKey gives a public key of that length in base64. It need not be a good key: nobody
// signs with it.
func rsaKey(t testing.TB, bits int) string { return rsaKeyNumber(t, bits, 1) }

func rsaKeyNumber(t testing.TB, bits int, number int64) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	n.Add(n, big.NewInt(2*number+1))
	raw, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}
