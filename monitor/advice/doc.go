// Package advice says what a mail service advises about the domains that are registered
// for it, beyond the records that it asks for: how many, which names, beside what else, in
// which order. It knows Alibaba Cloud Direct Mail's rules.
//
//	for _, a := range advice.Registration(d, snapshot.Domains, snapshot.States.Get) {
//		fmt.Println(a.Text, a.Do)
//	}
//
// Advice never keeps anybody from anything. All of it follows from the registry and from what was
// seen in DNS; nothing is asked.
package advice
